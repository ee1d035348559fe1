//! Connections: accepted, greeted, logged in, served request by request.

use crate::execute::{Halt, Session, Stop};
use crate::fail::{Fail, Result};
use crate::faults::{Place, What};
use crate::options::{Options, Tls};
use crate::parse::{self, ast::Isolation};
use crate::record::{Kind, recorded};
use crate::shared::Shared;
use crate::translate::{Variable, Variables};
use crate::types::Type;
use crate::wire::channel::{Channel, Message, Packet};
use crate::wire::login::{Encryption, login7, prelogin, prelogin_reply};
use crate::wire::reply::{ATTENTION, COUNT, ERROR, Reply};
use crate::wire::request::{self, Manager};
use crate::wire::{malformed, tls};
use rusqlite::types::Value;
use std::collections::HashMap;
use std::io;
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::Ordering;

/// Accepts until stopped; each connection has a thread.
pub(crate) fn accept(listener: &TcpListener, shared: &Arc<Shared>) {
    for socket in listener.incoming() {
        if shared.stop.load(Ordering::SeqCst) {
            return;
        }
        let Ok(socket) = socket else { continue };
        let shared = shared.clone();
        // Deep expressions are parsed by recursion.
        let thread = std::thread::Builder::new().stack_size(64 << 20);
        let spawned = thread.spawn(move || {
            let id = shared.sessions.fetch_add(1, Ordering::SeqCst) + 1;
            let _ = socket.set_nodelay(true);
            if let Ok(copy) = socket.try_clone() {
                shared.sockets.lock().expect("no panic under this lock").insert(id, copy);
            }
            if let Err(error) = serve(&shared, socket, id) {
                use io::ErrorKind::{BrokenPipe, ConnectionAborted, ConnectionReset, UnexpectedEof};
                let usual =
                    [BrokenPipe, ConnectionAborted, ConnectionReset, UnexpectedEof].contains(&error.kind());
                if !usual {
                    // A client that breaks the protocol is a bug that a test should show.
                    eprintln!("endpoint, session {id}: {error}");
                }
            }
            if let Some(socket) = shared.sockets.lock().expect("no panic under this lock").remove(&id) {
                let _ = socket.shutdown(Shutdown::Both);
            }
        });
        if let Err(error) = spawned {
            eprintln!("endpoint: no thread for a connection: {error}");
        }
    }
}

fn whole(channel: &mut Channel, kind: u8) -> io::Result<Vec<u8>> {
    let first = channel.read_packet()?;
    if first.kind != kind {
        return Err(malformed(format!("packet type {} where {kind} belongs", first.kind)));
    }
    Message::new(channel, first).rest()
}

fn serve(shared: &Arc<Shared>, socket: TcpStream, id: u32) -> io::Result<()> {
    let mut channel = Channel::new(socket, id, shared.faults.clone());
    let options = shared.options();
    let asked = prelogin(&whole(&mut channel, 0x12)?)?;
    let answer = match (options.tls, asked) {
        (Tls::Off, _) | (Tls::LoginOnly, Encryption::NotSupported) => Encryption::NotSupported,
        (Tls::LoginOnly, Encryption::Off) => Encryption::Off,
        (Tls::Required, Encryption::Off | Encryption::NotSupported) => Encryption::Required,
        _ => Encryption::On,
    };
    let major = options.product_version.split('.').next().and_then(|m| m.parse().ok()).unwrap_or(16);
    channel.write_packet(4, &prelogin_reply(answer, major), true)?;
    match answer {
        Encryption::NotSupported => {}
        _ if asked == Encryption::NotSupported => return Err(io::ErrorKind::ConnectionAborted.into()),
        _ => channel.change(|stream| tls::accept(stream, shared.identity.config.clone()))?,
    }
    let login = login7(&whole(&mut channel, 0x10)?)?;
    if answer == Encryption::Off {
        channel.change(|stream| Ok(stream.without_tls()))?;
    }
    let Some(mut session) = log_in(shared, &mut channel, &login, &options, id)? else { return Ok(()) };
    let served = requests(&mut session, &mut channel);
    let before = session.transaction.depth();
    session.end();
    let number = shared.record.begin(id, Kind::Disconnect, &session.database.name, "", before);
    shared.record.change(number, |r| r.transactions_after = Some(0));
    served
}

/// Answers LOGIN7: a session, or none where it was refused.
fn log_in(
    shared: &Arc<Shared>,
    channel: &mut Channel,
    login: &crate::wire::login::Login,
    options: &Options,
    id: u32,
) -> io::Result<Option<Session>> {
    let number = shared.record.begin(id, Kind::Login, &login.database, &login.user, 0);
    // Recorded before the answer is sent: who has read it finds it recorded.
    let recorded = |errors: Vec<i32>| {
        shared.record.change(number, |r| {
            let application = Value::Text(login.application.clone());
            r.parameters = vec![recorded("application", "nvarchar(128)".to_owned(), &application)];
            r.transactions_after = Some(0);
            r.errors = errors;
        });
    };
    let mut fail = None;
    for what in shared.faults.at(id, &Place::Login) {
        match what {
            What::Error { number, message } => fail = Some(Fail::new(number, message)),
            What::Delay(time) => std::thread::sleep(time),
            What::SplitPackets(size) => channel.split = Some(size),
            What::CloseMidReply(bytes) => channel.allowance = Some(bytes),
            What::CloseBefore | What::CloseAfter => return Err(channel.close()),
        }
    }
    let first = || options.databases.first().cloned().unwrap_or_default();
    let wanted = if login.database.is_empty() { first() } else { login.database.clone() };
    let right = login.user.eq_ignore_ascii_case(&options.user) && login.password == options.password;
    let opened = match (fail, shared.database(&wanted)) {
        (Some(fail), _) => Err(fail),
        _ if !right => Err(Fail::new(18456, format!("Login failed for user '{}'.", login.user))),
        (None, Some(database)) => Session::new(shared.clone(), id, database, login.user.clone()),
        (None, None) => Err(Fail::new(
            4060,
            format!("Cannot open database \"{wanted}\" requested by the login. The login failed."),
        )),
    };
    let session = match opened {
        Ok(session) => session,
        Err(fail) => {
            recorded(vec![fail.number]);
            let mut reply = Reply::new(channel, crate::text::Order::CaseInsensitive);
            reply.error(&fail)?;
            reply.done(0xFD, ERROR, 0)?;
            reply.end()?;
            return Ok(None);
        }
    };
    recorded(Vec::new());
    let size = match login.packet_size {
        0 => options.packet_size.min(4096),
        size => size.clamp(512, 32767).min(options.packet_size),
    };
    let mut reply = Reply::new(channel, session.database.order);
    reply.environment(1, &session.database.name, "master")?;
    reply.information(5701, &format!("Changed database context to '{}'.", session.database.name))?;
    reply.collation(session.database.order)?;
    reply.login_acknowledged(&options.product_version)?;
    reply.environment(4, &size.to_string(), "4096")?;
    reply.done(0xFD, 0, 0)?;
    reply.end()?;
    channel.packet_size = size;
    Ok(Some(session))
}

fn requests(session: &mut Session, channel: &mut Channel) -> io::Result<()> {
    let mut number = 0;
    loop {
        let first = channel.read_packet()?;
        if first.status & 0x18 != 0
            && let Err(fail) = session.reset()
        {
            return Err(malformed(fail.message));
        }
        number += 1;
        let options = session.shared.options();
        if let Some(size) = options.split_writes {
            channel.split = Some(size);
        }
        one(session, channel, first, number, options.compressed_nulls)?;
        if session.must_close() {
            return Err(channel.close());
        }
    }
}

/// What a request was found to be, once it was read.
enum Asked {
    Batch(String),
    Rpc(request::Rpc),
    Manager(Manager),
    Attention,
}

fn one(
    session: &mut Session,
    channel: &mut Channel,
    first: Packet,
    number: u64,
    compressed_nulls: bool,
) -> io::Result<()> {
    let shared = session.shared.clone();
    let kind = first.kind;
    if kind == 7 {
        return bulk(session, channel, first, number);
    }
    let mut message = Message::new(channel, first);
    let descriptor = if kind == 6 { session.transaction.id() } else { request::headers(&mut message)? };
    let asked = match kind {
        1 => Asked::Batch(crate::text::from_utf16le(&message.rest()?)),
        3 => Asked::Rpc(request::rpc(&mut message)?),
        6 => Asked::Attention,
        0x0E => Asked::Manager(request::manager(&mut message)?),
        other => return Err(malformed(format!("packet type {other}"))),
    };
    let (kind, text) = match &asked {
        Asked::Batch(sql) => (Kind::Batch, sql.clone()),
        Asked::Rpc(rpc) => (Kind::Rpc, statement_of(rpc).unwrap_or(&rpc.procedure).to_owned()),
        Asked::Manager(manager) => (Kind::TransactionManager, manager_text(manager)),
        Asked::Attention => (Kind::Attention, String::new()),
    };
    let record =
        shared.record.begin(session.id, kind, &session.database.name, &text, session.transaction.depth());
    let mut reply = Reply::new(channel, session.database.order);
    reply.in_transaction = session.transaction.depth() > 0;
    reply.compressed_nulls = compressed_nulls;
    let struck = session.struck(&Place::Request(number), true, &mut reply);
    let stale = descriptor != session.transaction.id();
    let result = match (struck, asked) {
        (Err(stop), _) => answer(session, stop, &mut reply),
        _ if stale => {
            let fail = Fail::new(
                3989,
                "New request is not allowed to start because it should come with valid transaction descriptor.",
            );
            answer(session, Stop::Fail(fail), &mut reply)
        }
        (Ok(()), Asked::Batch(sql)) => session.batch(&sql, &mut reply),
        (Ok(()), Asked::Rpc(rpc)) => call(session, rpc, record, &mut reply),
        (Ok(()), Asked::Manager(manager)) => managed(session, &manager, &text, &mut reply),
        (Ok(()), Asked::Attention) => reply.done(0xFD, ATTENTION, 0),
    };
    let errors = reply.errors.clone();
    let result = match result {
        Ok(()) if session.must_close() => Err(reply.close()),
        Ok(()) => Ok(reply),
        Err(error) => Err(error),
    };
    let after = result.is_ok().then(|| session.transaction.depth());
    shared.record.change(record, |r| {
        r.transactions_after = after;
        r.errors = errors;
    });
    result?.end()
}

/// Answers an error outside of any statement.
fn answer(session: &mut Session, stop: Stop, reply: &mut Reply<'_>) -> io::Result<()> {
    match stop {
        Stop::Closed(error) => Err(error),
        Stop::Fail(fail) => match session.failed(fail, reply)? {
            Halt::Closed(error) => Err(error),
            Halt::Failed(_) => Ok(()),
        },
    }
}

fn bulk(session: &mut Session, channel: &mut Channel, first: Packet, number: u64) -> io::Result<()> {
    let shared = session.shared.clone();
    let text = session.announced_text().unwrap_or_default().to_owned();
    let before = session.transaction.depth();
    let record = shared.record.begin(session.id, Kind::Bulk, &session.database.name, &text, before);
    let mut rows = 0;
    let struck = {
        let mut reply = Reply::new(channel, session.database.order);
        session.struck(&Place::Request(number), true, &mut reply)
    };
    let mut message = Message::new(channel, first);
    let result = match struck {
        Ok(()) => session.bulk(&mut message, &mut rows),
        Err(Stop::Fail(fail)) => message.drain().map_err(Stop::Closed).and(Err(Stop::Fail(fail))),
        Err(closed) => Err(closed),
    };
    shared.record.change(record, |r| r.bulk_rows = rows);
    let mut reply = Reply::new(channel, session.database.order);
    reply.in_transaction = before > 0;
    let answered = match result {
        Ok(count) => reply.done(0xFD, COUNT, count),
        Err(stop) => answer(session, stop, &mut reply),
    };
    if answered.is_err() || session.must_close() {
        reply.close();
        return answered.and(Err(io::ErrorKind::ConnectionAborted.into()));
    }
    let errors = reply.errors.clone();
    let after = session.transaction.depth();
    shared.record.change(record, |r| {
        r.transactions_after = Some(after);
        r.errors = errors;
    });
    reply.end()
}

fn manager_text(manager: &Manager) -> String {
    match manager {
        Manager::Begin { .. } => "BEGIN TRANSACTION".to_owned(),
        Manager::Commit => "COMMIT TRANSACTION".to_owned(),
        Manager::Rollback { name } => format!("ROLLBACK TRANSACTION {name}").trim_end().to_owned(),
        Manager::Save { name } => format!("SAVE TRANSACTION {name}"),
    }
}

/// A request to the transaction manager is the statement that it stands for.
fn managed(session: &mut Session, manager: &Manager, text: &str, reply: &mut Reply<'_>) -> io::Result<()> {
    if let Manager::Begin { isolation } = manager {
        match isolation {
            0 => {}
            2 => session.set_isolation(Isolation::ReadCommitted),
            3 => session.set_isolation(Isolation::RepeatableRead),
            4 => session.set_isolation(Isolation::Serializable),
            5 => session.set_isolation(Isolation::Snapshot),
            other => return Err(malformed(format!("isolation level {other}"))),
        }
    }
    session.batch(text, reply)
}

fn statement_of(rpc: &request::Rpc) -> Option<&str> {
    if !rpc.procedure.eq_ignore_ascii_case("sp_executesql") {
        return None;
    }
    match rpc.parameters.first().map(|p| &p.value) {
        Some(Value::Text(sql)) => Some(sql),
        _ => None,
    }
}

/// Runs a procedure that came by RPC.
fn call(session: &mut Session, rpc: request::Rpc, record: u64, reply: &mut Reply<'_>) -> io::Result<()> {
    let shared = session.shared.clone();
    let refuse = |session: &mut Session, fail: Fail, reply: &mut Reply<'_>| {
        answer(session, Stop::Fail(fail), reply)?;
        reply.done(0xFE, ERROR, 0)
    };
    if rpc.parameters.iter().any(|p| p.by_reference) {
        return refuse(session, Fail::refused("output parameters"), reply);
    }
    let lower = rpc.procedure.to_ascii_lowercase();
    if lower == "sp_getapplock" || lower == "sp_releaseapplock" {
        let named: HashMap<String, Value> =
            rpc.parameters.iter().map(|p| (p.name.to_ascii_lowercase(), p.value.clone())).collect();
        return match session.application_lock(&lower, &named) {
            Ok(status) => {
                reply.return_status(status as i32)?;
                reply.done(0xFE, 0, 0)
            }
            Err(fail) => refuse(session, fail, reply),
        };
    }
    let Some(sql) = statement_of(&rpc).map(str::to_owned) else {
        let fail = Fail::new(2812, format!("Could not find stored procedure '{}'.", rpc.procedure));
        return refuse(session, fail, reply);
    };
    if rpc.parameters.len() > 2100 {
        let fail = Fail::new(
            8003,
            "The incoming request has too many parameters. The server supports a maximum of 2100 parameters. Reduce \
             the number of parameters and resend the request.",
        );
        return refuse(session, fail, reply);
    }
    match variables(&rpc) {
        Ok(variables) => {
            shared.record.change(record, |r| {
                r.parameters = rpc
                    .parameters
                    .iter()
                    .skip(2)
                    .map(|p| {
                        let ty = variables.get(&p.name.to_lowercase()).map_or(p.ty, |v| v.ty);
                        recorded(&p.name, ty.to_string(), &p.value)
                    })
                    .collect();
            });
            session.execute_sql(&sql, variables, reply)
        }
        Err(fail) => refuse(session, fail, reply),
    }
}

/// The parameters as declared, with the values that came.
fn variables(rpc: &request::Rpc) -> Result<Variables> {
    let declared = match rpc.parameters.get(1).map(|p| &p.value) {
        Some(Value::Text(text)) => parse::parameters(text)?,
        // The driver sends a number where there is nothing to declare.
        _ => Vec::new(),
    };
    let given = &rpc.parameters[rpc.parameters.len().min(2)..];
    if given.len() > declared.len() {
        return Err(Fail::new(8144, "Procedure or function has too many arguments specified."));
    }
    let mut variables = Variables::new();
    for (at, (name, ty)) in declared.into_iter().enumerate() {
        let found = given
            .iter()
            .find(|p| p.name.eq_ignore_ascii_case(&name))
            .or_else(|| given.get(at).filter(|p| p.name.is_empty()));
        let Some(parameter) = found else {
            return Err(Fail::new(
                8178,
                format!("The parameterized query expects the parameter '{name}', which was not supplied."),
            ));
        };
        let value = match &parameter.value {
            Value::Null => Value::Null,
            value => crate::convert::convert(value.clone(), parameter.ty, ty, 0, false).map_err(|fail| {
                if fail.number == 2628 {
                    Fail::new(8152, "String or binary data would be truncated.")
                } else {
                    fail
                }
            })?,
        };
        let _: Type = ty;
        variables.insert(name.to_lowercase(), Variable { ty, value });
    }
    Ok(variables)
}
