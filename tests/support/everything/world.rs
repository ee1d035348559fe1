//! The pen that the generator writes with: ids by label, sets in every spelling, secrets, rows by SQL.

use std::collections::{BTreeMap, HashMap};
use std::path::Path;

use rusqlite::Connection;
use sealift::crypto::{MasterKey, SecretBytes};
use serde_json::{Value as Json, json};

use super::rows::{Rng, Sql, guid};
use super::table::{ONE_GENERATION, SPACES_ONLY};
use super::{Generation, Numbering, Twist};

/// The documents that references choose from, by the prefix of their ids. There is one of each in every space.
const POOLS: &[(&str, &[&str])] = &[
    ("Environments", &["Development", "Test", "Production"]),
    ("Lifecycles", &["Default Lifecycle", "Hotfix only"]),
    ("Accounts", &["AWS", "Azure", "Azure old", "Google", "SSH", "Token", "Password", "OIDC"]),
    ("Certificates", &["web new", "web old", "web archived", "signing"]),
    ("Feeds", &["built-in", "NuGet", "Docker", "S3", "GCS"]),
    ("GitCredentials", &["GitHub", "GitLab"]),
    ("Proxies", &["Squid", "Corporate"]),
    ("WorkerPools", &["Default Worker Pool", "Linux", "Windows"]),
    ("MachinePolicies", &["Default Machine Policy", "Patient"]),
    ("Machines", &["web-01", "web-02", "drop", "fabric", "kube", "azure-web"]),
    ("ActionTemplates", &["Run a thing", "Deploy a thing"]),
    ("CommunityActionTemplates", &["Slack", "Teams"]),
    ("ProjectGroups", &["Default Project Group", "Tools"]),
    ("LibraryVariableSets", &["Common", "Hosting", "Module A", "Module B"]),
    ("Projects", &["Web", "Api", "Docs"]),
    ("Tenants", &["Acme", "Globex"]),
    ("Teams", &["Developers", "Operators"]),
    ("Users", &["ann", "bob", "users-system"]),
    ("ParentEnvironments", &["Pull requests", "Experiments"]),
    ("GitHubAppConnections", &["Octo", "Cat"]),
];

/// The name of a document, where its label is not.
pub fn named(label: &str) -> &str {
    match label {
        "Hosting" => "Hosting / \"shared\" | 'all' \u{e9}\u{4e16} #{x}",
        "Hotfix only" => "Hotfix, only. $.a[0] ",
        "Globex" => "GLOBEX-Tenants-7000",
        "Linux" => "Spaces-1",
        other => other,
    }
}

/// The spaces of a server.
pub const SPACES: [&str; 2] = ["Default", "Second"];

/// A server being written.
pub struct World {
    db: Connection,
    pub generation: Generation,
    pub numbering: Numbering,
    pub twist: Twist,
    key: MasterKey,
    texts: Rng,
    joined_texts: Rng,
    spelling: Rng,
    /// The space rows go to.
    pub space: &'static str,
    ids: HashMap<String, String>,
    counts: BTreeMap<String, u64>,
    columns: HashMap<String, Vec<(String, bool)>>,
}

impl World {
    pub fn open(path: &Path, generation: Generation, seed: u64, numbering: Numbering, twist: Twist) -> Self {
        let db = Connection::open(path).unwrap();
        db.execute_batch("BEGIN").unwrap();
        let mut columns: HashMap<String, Vec<(String, bool)>> = HashMap::new();
        {
            let mut query = db
                .prepare("SELECT t.name, c.name, c.[notnull] FROM sqlite_schema t, pragma_table_info(t.name) c WHERE t.type = 'table'")
                .unwrap();
            let mut found = query.query([]).unwrap();
            while let Some(row) = found.next().unwrap() {
                let table: String = row.get(0).unwrap();
                columns.entry(table).or_default().push((row.get(1).unwrap(), row.get(2).unwrap()));
            }
        }
        Self {
            db,
            generation,
            numbering,
            twist,
            key: super::key(numbering.key),
            texts: Rng::new(seed * 1000 + twist.overwritten as u64),
            joined_texts: Rng::new(seed * 1000 + 500 + twist.joined as u64),
            spelling: Rng::new(numbering.spelling),
            space: SPACES[0],
            ids: HashMap::new(),
            counts: BTreeMap::new(),
            columns,
        }
    }

    pub fn spaces(&self) -> bool {
        self.generation != Generation::Y2018
    }

    pub fn newest(&self) -> bool {
        self.generation == Generation::Y2026
    }

    /// Writes the counters and commits.
    pub fn finish(mut self) {
        let counts = std::mem::take(&mut self.counts);
        for (prefix, count) in counts {
            let last = (self.numbering.offset + 999.max(count)) as i64;
            let collection = super::table::collection(&prefix);
            self.db
                .execute("INSERT INTO KeyAllocation VALUES (?1, ?2)", rusqlite::params![collection, last])
                .unwrap();
        }
        let related = super::walk::Snapshot::load(&self.db).related();
        for (table, id, ids) in related {
            let ids = self.pipe(ids);
            let sql = format!("UPDATE [{table}] SET RelatedDocumentIds = ?1 WHERE Id = ?2");
            self.db.execute(&sql, rusqlite::params![ids, id]).unwrap();
        }
        for (link, owner, value, table, list) in super::table::LINKS {
            for (id, ids) in super::walk::Snapshot::load(&self.db).listed(table, list) {
                for other in ids {
                    let (mut columns, mut values) = (vec![*owner, *value], vec![id.clone(), other]);
                    if *link == "RelatedDocument" {
                        columns.extend(["[Table]", "RelatedDocumentTable"]);
                        values.extend([(*table).to_owned(), "of the server's own".to_owned()]);
                    }
                    let marks = vec!["?"; values.len()].join(", ");
                    let sql = format!("INSERT INTO [{link}] ({}) VALUES ({marks})", columns.join(", "));
                    self.db.execute(&sql, rusqlite::params_from_iter(values)).unwrap();
                }
            }
        }
        self.db.execute_batch("COMMIT").unwrap();
    }

    // --- ids ---

    /// The id of a document of the space, given out when first asked for.
    pub fn id(&mut self, prefix: &str, label: &str) -> String {
        self.scoped(prefix, self.space, label)
    }

    /// The id of a document of the server.
    pub fn global(&mut self, prefix: &str, label: &str) -> String {
        self.scoped(prefix, "", label)
    }

    /// The id of a document of a space.
    pub fn scoped(&mut self, prefix: &str, space: &str, label: &str) -> String {
        let global = ["Users", "UserRoles", "CommunityActionTemplates", "Spaces"].contains(&prefix);
        let space = if global { "" } else { space };
        let whole = format!("{prefix} {space} {label}");
        if let Some(id) = self.ids.get(&whole) {
            return id.clone();
        }
        // Ids that are the same on every server, and such as servers of long ago gave.
        let id = match (prefix, label) {
            ("Feeds", "built-in") if space == SPACES[0] => "feeds-builtin".to_owned(),
            ("Teams" | "Users" | "UserRoles", label)
                if label.to_lowercase().starts_with(&prefix.to_lowercase()) =>
            {
                label.to_owned()
            }
            _ => {
                let count = self.counts.entry(prefix.to_owned()).or_default();
                let number = match self.numbering.reverse {
                    false => self.numbering.offset + *count,
                    true => self.numbering.offset + 998 - *count,
                };
                *count += 1;
                assert!(*count < 998, "{prefix}: more documents than numbers");
                match (prefix, label) {
                    ("Accounts", "Azure old") => format!("azuresubscription-{number}-azure"),
                    ("ActionTemplateVersions", _) => format!("{prefix}-{number}-20180801"),
                    _ => format!("{prefix}-{number}"),
                }
            }
        };
        self.ids.insert(whole, id.clone());
        id
    }

    /// The canonical id of a tag. Tags have numbers of their own.
    pub fn tag(&mut self, set: &str, tag: &str) -> String {
        let set = self.id("TagSets", set);
        let tag = self.id("Tags", &format!("{set} {tag}"));
        format!("{set}/{tag}")
    }

    fn chosen(&mut self, prefix: &str, number: usize, twist: usize) -> String {
        let pool = POOLS.iter().find(|(of, _)| *of == prefix).unwrap_or_else(|| panic!("no pool {prefix}")).1;
        let label = pool[(number + twist) % pool.len()];
        self.id(prefix, label)
    }

    /// A document of a pool, another one under another twist.
    pub fn one(&mut self, prefix: &str, number: usize) -> String {
        self.chosen(prefix, number, self.twist.overwritten)
    }

    /// Some documents of a pool.
    pub fn some(&mut self, prefix: &str, number: usize, count: usize) -> Vec<String> {
        (0..count).map(|n| self.one(prefix, number + n)).collect()
    }

    /// A document of a pool, for a place where documents are joined.
    pub fn joined(&mut self, prefix: &str, number: usize) -> String {
        self.chosen(prefix, number, self.twist.joined)
    }

    /// Some tags.
    pub fn tags(&mut self, number: usize, count: usize) -> Vec<String> {
        let twist = self.twist.overwritten;
        self.tags_twisted(number, count, twist)
    }

    pub fn tags_twisted(&mut self, number: usize, count: usize, twist: usize) -> Vec<String> {
        let all = [("Region", "North"), ("Region", "South"), ("Ring", "Alpha"), ("Ring", "Beta")];
        (0..count)
            .map(|n| {
                let (set, tag) = all[(number + n + twist) % all.len()];
                self.tag(set, tag)
            })
            .collect()
    }

    // --- values ---

    /// A set in a column, as servers were seen to spell it.
    pub fn pipe(&mut self, ids: Vec<String>) -> Sql {
        self.spelled(ids, true)
    }

    /// The same for a column that is never null.
    pub fn full_pipe(&mut self, ids: Vec<String>) -> Sql {
        self.spelled(ids, false)
    }

    fn spelled(&mut self, mut ids: Vec<String>, nullable: bool) -> Sql {
        self.spelling.shuffle(&mut ids);
        if ids.is_empty() {
            return match self.spelling.below(3) {
                0 if nullable => Sql::Null,
                0 | 1 => Sql::Text(String::new()),
                _ => Sql::Text("||".to_owned()),
            };
        }
        let blank = if self.spelling.below(2) == 0 { "" } else { " " };
        Sql::Text(format!("|{}|{blank}", ids.join("|")))
    }

    /// A list in a property.
    pub fn comma(&mut self, ids: &[String]) -> Json {
        json!(ids.join(if self.spelling.below(2) == 0 { "," } else { ", " }))
    }

    /// Text that says nothing.
    pub fn text(&mut self, what: &str) -> String {
        Self::words(&mut self.texts, what)
    }

    /// The same, for a place where documents are joined.
    pub fn joined_text(&mut self, what: &str) -> String {
        Self::words(&mut self.joined_texts, what)
    }

    fn words(rng: &mut Rng, what: &str) -> String {
        let odd = [
            "",
            " \u{e9}\u{df}\u{4e16}",
            " \"quoted\" 'too'",
            " |a|b|",
            " a,b",
            "\r\nsecond line",
            " \u{1f600}",
        ];
        format!("{what} {}{}", rng.next() % 10_000, odd[rng.below(odd.len())])
    }

    /// A secret as the server keeps it.
    pub fn secret(&mut self, what: &str) -> String {
        let text = self.text(what);
        self.encrypted(&text)
    }

    pub fn encrypted(&mut self, text: &str) -> String {
        self.key.encrypt(&SecretBytes::from(text.to_owned())).unwrap()
    }

    /// A GUID that travels.
    pub fn guid(&self, label: &str) -> String {
        guid(&format!("{} {label}", self.space))
    }

    /// A GUID that is this server's own.
    pub fn own_guid(&mut self, label: &str) -> String {
        guid(&format!("{} {} {label}", self.numbering.offset, self.space))
    }

    // --- rows ---

    /// The JSON of a row that was written.
    pub fn body(&self, table: &str, id: &str) -> Json {
        let sql = format!("SELECT JSON FROM [{table}] WHERE Id = ?1");
        let text: String =
            self.db.query_row(&sql, [id], |row| row.get(0)).unwrap_or_else(|e| panic!("{table} {id}: {e}"));
        serde_json::from_str(&text).unwrap()
    }

    /// Writes columns and the JSON of a row that was written.
    pub fn update(&mut self, table: &str, id: &str, columns: Vec<(&'static str, Sql)>, body: &Json) {
        for (column, value) in columns.into_iter().chain([("JSON", Sql::Text(body.to_string()))]) {
            let sql = format!("UPDATE [{table}] SET [{column}] = ?1 WHERE Id = ?2");
            assert_eq!(self.db.execute(&sql, rusqlite::params![value, id]).unwrap(), 1, "{table} {id}");
        }
    }

    /// Writes a row. Its space, its JSON, its row version and the columns nobody knows are added where the
    /// table has them.
    pub fn put(&mut self, table: &'static str, mut row: Vec<(&'static str, Sql)>, mut body: Json) {
        let Some(known) = self.columns.get(table).cloned() else {
            assert!(!self.spaces() && SPACES_ONLY.contains(&table), "no table {table}");
            return;
        };
        let has = |name: &str| known.iter().any(|(column, _)| column == name);
        if has("SpaceId") && row.iter().all(|(name, _)| *name != "SpaceId") {
            let space = self.global("Spaces", self.space);
            row.push(("SpaceId", Sql::Text(space)));
        }
        if has("DataVersion") {
            row.push(("DataVersion", Sql::Blob(self.numbering.offset.to_be_bytes().to_vec())));
        }
        if has("NotedBy") {
            row.push(("NotedBy", Sql::Text(self.text("noted"))));
            row.push(("Weight", Sql::Integer(7 + self.twist.overwritten as i64)));
        }
        if has("JSON") {
            if let Some(members) = body.as_object_mut() {
                let unknown = json!({ "Deep": [1.5, null, { "LooksLike": super::TRAP }], "Note": self.text("unknown") });
                members.insert("MadeUpMember".to_owned(), unknown);
            }
            row.push(("JSON", Sql::Text(body.to_string())));
        }
        for (column, value) in &mut row {
            if let (true, Sql::Text(name)) = (*column == "Name", &mut *value) {
                *name = named(name).to_owned();
            }
        }
        row.retain(|(name, _)| {
            assert!(has(name) || ONE_GENERATION.contains(&(table, *name)), "{table} has no column {name}");
            has(name)
        });
        for (name, not_null) in &known {
            let given = row.iter().any(|(column, value)| column == name && *value != Sql::Null);
            assert!(!*not_null || given, "{table}.{name} must have a value");
        }
        let names: Vec<String> = row.iter().map(|(name, _)| format!("[{name}]")).collect();
        let marks: Vec<String> = (1..=row.len()).map(|n| format!("?{n}")).collect();
        let sql = format!("INSERT INTO [{table}] ({}) VALUES ({})", names.join(","), marks.join(","));
        let values = rusqlite::params_from_iter(row.iter().map(|(_, value)| value.clone()));
        self.db.execute(&sql, values).unwrap_or_else(|e| panic!("{table}: {e}: {row:?}"));
    }
}
