//! The tokens of a reply, sent packet by packet as they fill.

use super::channel::Channel;
use super::values::{collation, write_type, write_value};
use crate::catalog::order_of;
use crate::fail::Fail;
use crate::text::{self, Order};
use crate::translate::{Collation, Output};
use crate::types::Type;
use rusqlite::Row;
use rusqlite::types::ValueRef;
use std::io;

/// DONE status bits.
pub(crate) const ERROR: u16 = 0x02;
pub(crate) const COUNT: u16 = 0x10;
pub(crate) const ATTENTION: u16 = 0x20;
const MORE: u16 = 0x01;
const IN_TRANSACTION: u16 = 0x04;

pub(crate) struct Reply<'c> {
    channel: &'c mut Channel,
    buffer: Vec<u8>,
    /// A DONE that is not written until it is known whether more follows.
    pending: Option<(u8, u16, u64)>,
    pub in_transaction: bool,
    pub compressed_nulls: bool,
    /// The numbers of the errors sent.
    pub errors: Vec<i32>,
    default_order: Order,
}

impl<'c> Reply<'c> {
    pub fn new(channel: &'c mut Channel, default_order: Order) -> Reply<'c> {
        channel.begin_reply();
        Reply {
            channel,
            buffer: Vec::new(),
            pending: None,
            in_transaction: false,
            compressed_nulls: false,
            errors: Vec::new(),
            default_order,
        }
    }

    /// Sends the packets that are full.
    fn spill(&mut self) -> io::Result<()> {
        let step = self.channel.packet_size - 8;
        if self.buffer.len() <= step {
            return Ok(());
        }
        let mut at = 0;
        while self.buffer.len() - at > step {
            self.channel.write_packet(4, &self.buffer[at..at + step], false)?;
            at += step;
        }
        self.buffer.drain(..at);
        Ok(())
    }

    fn flush_done(&mut self, more: bool) -> io::Result<()> {
        if let Some((token, status, count)) = self.pending.take() {
            let status = status | if more { MORE } else { 0 };
            self.buffer.push(token);
            self.buffer.extend_from_slice(&status.to_le_bytes());
            self.buffer.extend_from_slice(&[0xC1, 0]);
            self.buffer.extend_from_slice(&count.to_le_bytes());
        }
        self.spill()
    }

    /// Sends what is left; the reply is whole.
    pub fn end(mut self) -> io::Result<()> {
        self.flush_done(false)?;
        let rest = std::mem::take(&mut self.buffer);
        self.channel.write_packet(4, &rest, true)
    }

    /// Whether a DONE stands or has been written.
    pub fn has_done(&self) -> bool {
        self.pending.is_some()
    }

    pub fn close(&mut self) -> io::Error {
        self.channel.close()
    }

    /// Waits so long; says whether the client sent an attention meanwhile, which is confirmed then.
    pub fn attention_within(&mut self, time: std::time::Duration) -> io::Result<bool> {
        const KIND: u8 = 6;
        if !self.channel.wait(time)? {
            return Ok(false);
        }
        match self.channel.read_packet()?.kind {
            KIND => self.done(0xFD, ATTENTION, 0)?,
            other => return Err(super::malformed(format!("packet type {other} before the reply"))),
        }
        self.flush_done(false)?;
        let rest = std::mem::take(&mut self.buffer);
        self.channel.write_packet(4, &rest, true)?;
        Ok(true)
    }

    pub fn cut_after(&mut self, bytes: usize) {
        self.channel.allowance = Some(bytes);
    }

    pub fn split(&mut self, size: usize) {
        self.channel.split = Some(size);
    }

    /// 0xFD DONE, 0xFE DONEPROC, 0xFF DONEINPROC.
    pub fn done(&mut self, token: u8, status: u16, count: u64) -> io::Result<()> {
        self.flush_done(true)?;
        let transaction = if self.in_transaction { IN_TRANSACTION } else { 0 };
        self.pending = Some((token, status | transaction, count));
        Ok(())
    }

    /// ENVCHANGE follows the statement's DONE in what it belongs to, so it may stand before one that waits.
    fn token(&mut self, token: u8, body: &[u8]) -> io::Result<()> {
        self.flush_done(true)?;
        self.buffer.push(token);
        self.buffer.extend_from_slice(&(body.len() as u16).to_le_bytes());
        self.buffer.extend_from_slice(body);
        self.spill()
    }

    pub fn environment(&mut self, kind: u8, new: &str, old: &str) -> io::Result<()> {
        let mut body = vec![kind];
        short_text(new, &mut body);
        short_text(old, &mut body);
        self.token(0xE3, &body)
    }

    pub fn environment_bytes(&mut self, kind: u8, new: &[u8], old: &[u8]) -> io::Result<()> {
        let mut body = vec![kind, new.len() as u8];
        body.extend_from_slice(new);
        body.push(old.len() as u8);
        body.extend_from_slice(old);
        self.token(0xE3, &body)
    }

    pub fn transaction_began(&mut self, id: u64) -> io::Result<()> {
        self.in_transaction = true;
        self.environment_bytes(8, &id.to_le_bytes(), &[])
    }

    pub fn transaction_ended(&mut self, id: u64, committed: bool) -> io::Result<()> {
        self.in_transaction = false;
        self.environment_bytes(if committed { 9 } else { 10 }, &[], &id.to_le_bytes())
    }

    pub fn collation(&mut self, order: Order) -> io::Result<()> {
        self.environment_bytes(7, &collation(order), &[])
    }

    pub fn login_acknowledged(&mut self, version: &str) -> io::Result<()> {
        let mut parts = version.split('.').map(|p| p.parse::<u32>().unwrap_or(0));
        let (major, minor, build) =
            (parts.next().unwrap_or(16), parts.next().unwrap_or(0), parts.next().unwrap_or(0) as u16);
        let mut body = vec![1, 0x74, 0, 0, 4];
        short_text("Microsoft SQL Server", &mut body);
        body.extend_from_slice(&[major as u8, minor as u8]);
        body.extend_from_slice(&build.to_be_bytes());
        self.token(0xAD, &body)
    }

    fn message(&mut self, token: u8, fail: &Fail) -> io::Result<()> {
        let mut body = fail.number.to_le_bytes().to_vec();
        body.extend_from_slice(&[fail.state, fail.class]);
        // A message has at most 2,047 characters in SQL Server.
        let units: Vec<u16> = text::units(&fail.message).take(2047).collect();
        body.extend_from_slice(&(units.len() as u16).to_le_bytes());
        body.extend(units.iter().flat_map(|u| u.to_le_bytes()));
        short_text("ENDPOINT", &mut body);
        short_text("", &mut body);
        body.extend_from_slice(&1u32.to_le_bytes());
        self.token(token, &body)
    }

    pub fn error(&mut self, fail: &Fail) -> io::Result<()> {
        self.errors.push(fail.number);
        self.message(0xAA, fail)
    }

    pub fn information(&mut self, number: i32, message: &str) -> io::Result<()> {
        self.message(0xAB, &Fail { class: 0, ..Fail::new(number, message) })
    }

    pub fn return_status(&mut self, status: i32) -> io::Result<()> {
        self.flush_done(true)?;
        self.buffer.push(0x79);
        self.buffer.extend_from_slice(&status.to_le_bytes());
        self.spill()
    }

    pub fn columns(&mut self, columns: &[Output]) -> io::Result<()> {
        self.flush_done(true)?;
        self.buffer.push(0x81);
        self.buffer.extend_from_slice(&(columns.len() as u16).to_le_bytes());
        for column in columns {
            let order = match &column.collation {
                Collation::Implicit(name) | Collation::Explicit(name) => {
                    order_of(name).unwrap_or(self.default_order)
                }
                Collation::None => self.default_order,
            };
            let mut flags = u16::from(column.nullable);
            if column.ty.is_text() && (order != Order::CaseInsensitive || column.ty == Type::Xml) {
                flags |= 0x02;
            }
            let origin = column.origin;
            flags |= match (origin.is_column, origin.identity, origin.computed) {
                (true, true, _) => 0x10,
                (true, _, true) => 0x20,
                (true, _, _) => 0x08,
                _ => 0,
            };
            self.buffer.extend_from_slice(&[0; 4]);
            self.buffer.extend_from_slice(&flags.to_le_bytes());
            write_type(column.ty, column.nullable, order, &mut self.buffer);
            if matches!(column.ty, Type::Text | Type::NText | Type::Image) {
                self.buffer.extend_from_slice(&[1, 0, 0]);
            }
            short_text(&column.name, &mut self.buffer);
        }
        self.spill()
    }

    pub fn row(&mut self, columns: &[Output], row: &Row<'_>) -> io::Result<()> {
        let mut values = Vec::with_capacity(columns.len());
        for at in 0..columns.len() {
            values.push(row.get_ref(at).map_err(io::Error::other)?);
        }
        if self.compressed_nulls {
            self.buffer.push(0xD2);
            let start = self.buffer.len();
            self.buffer.resize(start + columns.len().div_ceil(8), 0);
            for (at, value) in values.iter().enumerate() {
                if *value == ValueRef::Null {
                    self.buffer[start + at / 8] |= 1 << (at % 8);
                }
            }
            for (column, value) in columns.iter().zip(values).filter(|(_, v)| *v != ValueRef::Null) {
                write_value(column.ty, column.nullable, value, &mut self.buffer)?;
            }
        } else {
            self.buffer.push(0xD1);
            for (column, value) in columns.iter().zip(values) {
                write_value(column.ty, column.nullable, value, &mut self.buffer)?;
            }
        }
        self.spill()
    }
}

fn short_text(text: &str, out: &mut Vec<u8>) {
    let units: Vec<u16> = text::units(text).take(255).collect();
    out.push(units.len() as u8);
    out.extend(units.iter().flat_map(|u| u.to_le_bytes()));
}
