//! Writes rows as the product does: ids from its counters, JSON beside the columns, secrets under its key.

use std::collections::{BTreeMap, HashMap};

use serde_json::{Value as Json, json};

use super::{Counts, DemoError, Site};
use crate::crypto::{MasterKey, SecretBytes};
use crate::document::Value;
use crate::server::{Server, Transaction, WriteError};

/// A server being filled, and what is on it so far.
pub(super) struct Writer<'a> {
    pub site: Site,
    transaction: Box<dyn Transaction + 'a>,
    key: &'a MasterKey,
    seed: u64,
    space: Option<String>,
    last: BTreeMap<&'static str, i64>,
    ids: HashMap<(String, &'static str, String), String>,
    counts: Counts,
    /// Table and id of each row, in the order they were given to the transaction.
    rows: Vec<(&'static str, String)>,
}

/// How many ids the server takes at a time from its counters.
const BLOCK: i64 = 20;

impl<'a> Writer<'a> {
    pub(super) fn begin(
        server: &'a mut dyn Server,
        site: Site,
        key: &'a MasterKey,
        seed: u64,
    ) -> Result<Self, DemoError> {
        let mut transaction = server.begin()?;
        for table in ["Project", "VariableSet", "KeyAllocation"] {
            if transaction.catalog().table(table).is_none() {
                return Err(DemoError::NoTables(table));
            }
            if transaction.count(table)? > 0 {
                return Err(DemoError::NotEmpty(table));
            }
        }
        Ok(Self {
            site,
            transaction,
            key,
            seed,
            space: None,
            last: BTreeMap::new(),
            ids: HashMap::new(),
            counts: Counts::default(),
            rows: Vec::new(),
        })
    }

    /// Says whether this is the server where configuration is made.
    pub(super) fn is_build(&self) -> bool {
        self.site == Site::Build
    }

    /// One of two values, by site.
    pub(super) fn pick<T>(&self, build: T, production: T) -> T {
        if self.is_build() { build } else { production }
    }

    /// Says whether the server's generation has a table.
    pub(super) fn has(&self, table: &str) -> bool {
        self.transaction.catalog().table(table).is_some()
    }

    /// Makes a space and puts what follows into it. Before spaces there is nothing to do.
    pub(super) fn enter_space(&mut self, name: &str, default: bool) -> Result<(), DemoError> {
        if !self.has("Space") {
            return Ok(());
        }
        let id = self.next("Space", "Spaces-");
        self.space = None;
        let columns = [("Id", id.as_str().into()), ("Name", name.into()), ("IsDefault", default.into())];
        let managers: Vec<String> = self.find("Team", "Octopus Managers").into_iter().collect();
        let body = json!({ "Description": "", "TaskQueueStopped": false, "SpaceManagersTeamMembers": [],
            "SpaceManagersTeams": managers });
        self.put("Space", &columns, &body)?;
        self.space = Some(id);
        Ok(())
    }

    /// The next id of a table. The two sites count in different steps, so that one id means two things.
    pub(super) fn next(&mut self, table: &'static str, prefix: &str) -> String {
        let step = if self.is_build() { 1 } else { 1 + (table.len() as i64 % 3) };
        let last = self.last.entry(table).or_insert(0);
        *last += if *last == 0 { 1 } else { step };
        format!("{prefix}{last}")
    }

    /// Remembers the id of a named document of this space.
    pub(super) fn name(&mut self, kind: &'static str, name: &str, id: &str) {
        let space = self.space.clone().unwrap_or_default();
        self.ids.insert((space, kind, name.to_lowercase()), id.to_owned());
    }

    /// The next id of a table, remembered under a name.
    pub(super) fn next_named(
        &mut self,
        kind: &'static str,
        table: &'static str,
        prefix: &str,
        name: &str,
    ) -> String {
        let id = self.next(table, prefix);
        self.name(kind, name, &id);
        id
    }

    /// The id of a document of this space or of the server, if this site has it.
    pub(super) fn find(&self, kind: &'static str, name: &str) -> Option<String> {
        let name = name.to_lowercase();
        let here = self.space.clone().unwrap_or_default();
        [here, String::new()].into_iter().find_map(|s| self.ids.get(&(s, kind, name.clone())).cloned())
    }

    /// The id of a document that must be there.
    pub(super) fn of(&self, kind: &'static str, name: &str) -> Result<String, DemoError> {
        self.find(kind, name).ok_or_else(|| DemoError::Missing { kind, name: name.to_owned() })
    }

    /// The ids of those documents that this site has.
    pub(super) fn list(&self, kind: &'static str, names: &[&str]) -> Vec<String> {
        names.iter().filter_map(|name| self.find(kind, name)).collect()
    }

    /// A collection as its column holds it. Production's rows end in a blank, as old rows do.
    pub(super) fn pipe(&self, ids: &[String]) -> Value {
        let end = self.pick("|", "| ");
        Value::Text(if ids.is_empty() { "||".to_owned() } else { format!("|{}{end}", ids.join("|")) })
    }

    /// Encrypts a secret; sites share the ones that are told to be `shared`.
    pub(super) fn secret(&mut self, label: &str, shared: bool) -> Result<String, DemoError> {
        let whose = if shared { "both" } else { self.pick("build", "production") };
        let text = format!("fictional-{}-{:08x}", label, self.number(&format!("{label} {whose}")) as u32);
        self.encrypt(text)
    }

    /// Encrypts text.
    pub(super) fn encrypt(&mut self, text: String) -> Result<String, DemoError> {
        self.counts.secrets += 1;
        Ok(self.key.encrypt(&SecretBytes::from(text))?)
    }

    /// A number that belongs to a label.
    pub(super) fn number(&self, label: &str) -> u64 {
        let mut hash = label.bytes().fold(0xcbf2_9ce4_8422_2325 ^ self.seed, |hash, byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
        });
        hash = (hash ^ (hash >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        hash = (hash ^ (hash >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        hash ^ (hash >> 31)
    }

    /// A GUID that belongs to a label, the same on both sites.
    pub(super) fn guid(&self, label: &str) -> String {
        let (a, b) = (self.number(label), self.number(&format!("{label} again")));
        format!(
            "{:08x}-{:04x}-4{:03x}-a{:03x}-{:012x}",
            a >> 32,
            (a >> 16) & 0xffff,
            a & 0xfff,
            b >> 52,
            b & 0xffff_ffff_ffff
        )
    }

    /// A GUID that belongs to a label on this site.
    pub(super) fn own_guid(&self, label: &str) -> String {
        self.guid(&format!("{label} {}", self.pick("build", "production")))
    }

    /// A certificate's thumbprint.
    pub(super) fn thumbprint(&self, label: &str) -> String {
        let part = |n: u8| self.number(&format!("{label} thumbprint {n}"));
        format!("{:016X}{:016X}{:08X}", part(0), part(1), part(2) as u32)
    }

    /// Writes a row. Columns that this generation has not are left out, and a table it has not takes nothing.
    pub(super) fn put(
        &mut self,
        table: &'static str,
        columns: &[(&str, Value)],
        body: &Json,
    ) -> Result<(), DemoError> {
        let Some(known) = self.transaction.catalog().table(table) else { return Ok(()) };
        let mut names = Vec::with_capacity(columns.len() + 2);
        let mut row = Vec::with_capacity(columns.len() + 2);
        for (name, value) in columns {
            if known.column(name).is_some() {
                names.push(*name);
                row.push(value.clone());
            }
        }
        if known.column("SpaceId").is_some() && !names.contains(&"SpaceId") {
            names.push("SpaceId");
            row.push(self.space.clone().map_or(Value::Null, Value::Text));
        }
        if known.column("JSON").is_some() {
            names.push("JSON");
            row.push(Value::Text(body.to_string()));
        }
        let what = columns.first().and_then(|(_, id)| id.as_text()).unwrap_or_default().to_owned();
        self.rows.push((table, what));
        let result = self.transaction.insert(table, &names, &[row]);
        result.map_err(|error| refused(&self.rows, error))?;
        self.counts.documents += 1;
        Ok(())
    }

    /// Writes the counters, the maintenance mode and the version, and makes all of it lasting.
    pub(super) fn finish(mut self) -> Result<Counts, DemoError> {
        let counts = self.counts;
        self.space = None;
        let spaces = self.has("Space");
        for (table, last) in std::mem::take(&mut self.last) {
            let allocated = (last + BLOCK - 1) / BLOCK * BLOCK;
            self.put(
                "KeyAllocation",
                &[("CollectionName", table.into()), ("Allocated", allocated.into())],
                &Json::Null,
            )?;
        }
        self.put("Configuration", &[("Id", "maintenance".into())], &json!({ "IsInMaintenanceMode": false }))?;
        let versions: &[(&str, &str)] = if spaces {
            &[
                ("2023.4.8166", "2024-01-16T07:30:00.0000000+00:00"),
                ("2024.3.12899", "2024-11-05T06:10:00.0000000+00:00"),
            ]
        } else {
            &[("2018.8.0", "2018-08-15T09:00:00.0000000+00:00")]
        };
        for (index, (version, installed)) in versions.iter().enumerate() {
            let columns = [
                ("Id", format!("OctopusServerInstallationHistory-{}", index + 1).into()),
                ("Node", self.pick("HERON-BUILD", "HERON-PROD").into()),
                ("Version", (*version).into()),
                ("Installed", (*installed).into()),
            ];
            self.put("OctopusServerInstallationHistory", &columns, &json!({}))?;
        }
        // A server across a network takes the rows only now, and may refuse any of them.
        self.transaction.check().map_err(|error| refused(&self.rows, error))?;
        let rows = self.rows;
        self.transaction.commit().map_err(|error| refused(&rows, error))?;
        Ok(counts)
    }
}

/// The error of a write, with the row that it was.
fn refused(rows: &[(&'static str, String)], WriteError { write, source }: WriteError) -> DemoError {
    let row = write.and_then(|write| usize::try_from(write).ok()).and_then(|write| rows.get(write));
    match row {
        Some((table, what)) => DemoError::Row { table: (*table).to_owned(), what: what.clone(), source },
        None => DemoError::Server(source),
    }
}
