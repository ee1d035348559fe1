//! Small servers of 20 to 60 documents, of any generation of the schema, decided by a seed.
//!
//! The two servers of a pair draw from the same names: some documents are the same on both, some differ, some are on
//! one side only. Ids, spellings and master keys have nothing in common. The first name of each kind is on both sides.

use std::collections::BTreeMap;
use std::path::Path;

use rusqlite::types::Value as Sql;
use rusqlite::{Connection, params_from_iter};
use sealift::crypto::{MasterKey, SecretBytes};
use serde_json::{Map, Value as Json, json};

use crate::generator::Rng;
use crate::support;

/// Which of the two servers of a pair.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    Source,
    Target,
}

/// What a server is like.
pub struct Server<'s> {
    pub seed: u64,
    pub side: Side,
    /// The name of its space, where it has spaces.
    pub space: &'s str,
}

const ENVIRONMENTS: [&str; 4] = ["Dev", "Test", "Staging", "Prod"];
const TAGS: [&str; 4] = ["North", "South", "Alpha", "Beta \u{1f600}"];
const ACCOUNTS: [&str; 4] = ["AWS", "Azure / main", "Token", "#{quoted} \"SSH\""];
const PROJECTS: [&str; 3] = ["Web", "Api", "Docs 'n' more"];
const LIBRARIES: [&str; 3] = ["Common", "Hosting", "\u{65e5}\u{672c}"];
const TENANTS: [&str; 3] = ["Acme", "Globex", "Initech"];
const MACHINES: [&str; 3] = ["web-01", "web-02", "db-01"];
const USERS: [&str; 3] = ["ann", "bob", "carol"];
const TEAMS: [&str; 3] = ["Developers", "Operators", "Auditors"];
const ROLES: [&str; 2] = ["Releaser", "Reader"];
const LIFECYCLES: [&str; 2] = ["Usual", "Hotfix"];
const GROUPS: [&str; 2] = ["All", "Tools"];
const CHANNELS: [&str; 2] = ["Main", "Hotfix"];

/// The names of each prefix that references choose from.
const POOLS: [(&str, &[&str]); 13] = [
    ("Environments", &ENVIRONMENTS),
    ("Tags", &TAGS),
    ("Accounts", &ACCOUNTS),
    ("Projects", &PROJECTS),
    ("LibraryVariableSets", &LIBRARIES),
    ("Tenants", &TENANTS),
    ("Machines", &MACHINES),
    ("Users", &USERS),
    ("Teams", &TEAMS),
    ("UserRoles", &ROLES),
    ("Lifecycles", &LIFECYCLES),
    ("ProjectGroups", &GROUPS),
    ("TagSets", &["Region"]),
];

/// When things happened.
const THEN: &str = "2018-08-01T10:00:00.0000000+00:00";

/// What a column of a table is called, its type, and whether it must have a value.
type Column = (String, String, bool);

struct Maker<'s> {
    db: &'s Connection,
    server: &'s Server<'s>,
    key: MasterKey,
    columns: BTreeMap<String, Vec<Column>>,
    allocated: BTreeMap<String, u32>,
    /// What is no content: GUIDs of parts, counters, spellings.
    own: Rng,
}

/// Fills a server that has its tables.
pub fn fill(path: &Path, server: &Server<'_>) {
    let db = Connection::open(path).unwrap();
    db.execute_batch("PRAGMA synchronous = OFF; BEGIN").unwrap();
    let key = support::key(if server.side == Side::Source { 1 } else { 2 });
    let own = Rng::new(server.seed * 2 + server.side as u64);
    let columns = columns(&db);
    let mut maker = Maker { db: &db, server, key, columns, allocated: BTreeMap::new(), own };
    maker.all();
    maker.count();
    db.execute_batch("COMMIT").unwrap();
}

fn columns(db: &Connection) -> BTreeMap<String, Vec<Column>> {
    let sql =
        "SELECT t.name, c.name, lower(c.type), c.[notnull] FROM sqlite_schema t, pragma_table_info(t.name) c
        WHERE t.type = 'table' ORDER BY t.name, c.cid";
    let mut query = db.prepare(sql).unwrap();
    let mut rows = query.query([]).unwrap();
    let mut found: BTreeMap<String, Vec<Column>> = BTreeMap::new();
    while let Some(row) = rows.next().unwrap() {
        let column = (row.get(1).unwrap(), row.get(2).unwrap(), row.get(3).unwrap());
        found.entry(row.get(0).unwrap()).or_default().push(column);
    }
    found
}

/// A number that belongs to some words.
pub fn number_of(words: &str) -> u64 {
    words
        .bytes()
        .fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
}

impl Maker<'_> {
    // --- what is drawn ---

    fn rng(&self, words: &str) -> Rng {
        Rng::new(self.server.seed.wrapping_mul(1_000_003) ^ number_of(words))
    }

    /// What decides a document: the same on both sides for about half of them.
    fn content(&self, kind: &str, name: &str) -> Rng {
        match self.rng(&format!("shared {kind} {name}")).chance(50) {
            true => self.rng(&format!("{kind} {name}")),
            false => self.rng(&format!("{kind} {name} {:?}", self.server.side)),
        }
    }

    /// Whether this side has a document.
    fn has(&self, kind: &str, name: &str) -> bool {
        let first = POOLS.iter().any(|(prefix, pool)| *prefix == kind && pool[0] == name);
        let percent = if self.server.side == Side::Source { 70 } else { 55 };
        first || self.rng(&format!("has {kind} {name} {:?}", self.server.side)).chance(percent)
    }

    /// The names of a kind that this side has, with their numbers.
    fn each(&self, kind: &'static str) -> Vec<(u32, &'static str)> {
        let all = pool(kind).iter().enumerate();
        all.filter(|(_, name)| self.has(kind, name)).map(|(n, name)| (n as u32, *name)).collect()
    }

    /// The id of a number: upwards from 1 at the source, downwards from 150 at the target.
    fn id(&self, prefix: &str, number: u32) -> String {
        match self.server.side {
            Side::Source => format!("{prefix}-{}", 1 + number),
            Side::Target => format!("{prefix}-{}", 150 - number),
        }
    }

    /// The id of a document by its name, or one that leads nowhere.
    fn named(&self, kind: &str, name: &str) -> String {
        let number = pool(kind).iter().position(|other| *other == name).unwrap() as u32;
        if !self.has(kind, name) {
            return format!("{kind}-{}", 9000 + number);
        }
        match kind {
            "Tags" => format!("{}/{}", self.id("TagSets", 0), self.id("Tags", number)),
            _ => self.id(kind, number),
        }
    }

    /// Some ids of a kind. Most lead somewhere.
    fn some(&self, rng: &mut Rng, kind: &'static str) -> Vec<String> {
        let mut ids = Vec::new();
        for name in pool(kind) {
            let gone = rng.chance(2);
            if rng.chance(35) && (gone || self.has(kind, name)) {
                ids.push(self.named(kind, name));
            }
        }
        ids
    }

    /// An id of a kind, or nothing.
    fn may(&self, rng: &mut Rng, kind: &'static str) -> Option<String> {
        let name = *rng.pick(pool(kind));
        (rng.chance(60) && (self.has(kind, name) || rng.chance(3))).then(|| self.named(kind, name))
    }

    /// A set in a column, in one of the spellings that servers have.
    fn pipe(&mut self, mut ids: Vec<String>) -> Json {
        if self.own.chance(50) {
            ids.reverse();
        }
        json!(if ids.is_empty() { String::new() } else { format!("|{}|", ids.join("|")) })
    }

    fn text(&self, rng: &mut Rng) -> String {
        let odd = ["", " \u{e9}\u{4e16}", " 'q' \"q\"", "\r\nline", " Environments-1", " #{x}"];
        format!("text {}{}", rng.below(1000), rng.pick(&odd))
    }

    /// A secret as the server keeps it: its text is content, the ciphertext never the same twice.
    fn secret(&self, rng: &mut Rng) -> Json {
        let text = format!("secret {} \u{fc}", rng.below(1_000_000));
        json!(self.key.encrypt(&SecretBytes::from(text)).unwrap())
    }

    // --- rows ---

    /// Writes a row: members that are columns become columns, the others the JSON. What must be there and is not is
    /// empty; a table that this generation lacks is passed over.
    fn put(&mut self, table: &str, document: Json) {
        let Json::Object(mut members) = document else { panic!("{document}") };
        let Some(columns) = self.columns.get(table) else { return };
        let (mut names, mut values) = (Vec::new(), Vec::new());
        for (name, kind, needed) in columns.iter().filter(|(name, ..)| name != "JSON") {
            let value = match members.remove(name) {
                Some(value) => sql(&value),
                None if name == "SpaceId" => Sql::Text(self.id("Spaces", 0)),
                None if *needed => nothing(kind),
                None => continue,
            };
            names.push(format!("[{name}]"));
            values.push(value);
        }
        names.push("[JSON]".to_owned());
        values.push(Sql::Text(Json::Object(members).to_string()));
        let marks = vec!["?"; values.len()].join(",");
        let insert = format!("INSERT INTO [{table}] ({}) VALUES ({marks})", names.join(","));
        self.db.execute(&insert, params_from_iter(values)).unwrap_or_else(|e| panic!("{table}: {e}"));
    }

    /// What the server counts its ids by: far beyond those that it has.
    fn count(&mut self) {
        let tables: Vec<String> = self.columns.keys().cloned().collect();
        for table in tables {
            let last = *self.allocated.entry(table.clone()).or_insert(500);
            self.db.execute("INSERT INTO KeyAllocation VALUES (?1, ?2)", (table, last)).unwrap();
        }
    }

    fn spaced(&self) -> bool {
        self.columns.contains_key("Space")
    }

    // --- documents ---

    fn all(&mut self) {
        let installed =
            json!({ "Id": "OctopusServerInstallationHistory-1", "Version": "2019.3.0", "Installed": THEN });
        self.put("OctopusServerInstallationHistory", installed);
        let name = self.server.space.to_owned();
        self.put("Space", json!({ "Id": self.id("Spaces", 0), "Name": name, "IsDefault": true }));
        self.infrastructure();
        self.people();
        self.libraries();
        self.projects();
        self.tenants();
        self.events();
    }

    fn infrastructure(&mut self) {
        for (number, name) in self.each("Environments") {
            let mut rng = self.content("Environments", name);
            // Names compare without case.
            let name = if self.own.chance(15) { name.to_uppercase() } else { name.to_owned() };
            let document = json!({ "Id": self.id("Environments", number), "Name": name, "SortOrder": rng.below(5),
                "Description": self.text(&mut rng), "UseGuidedFailure": rng.chance(50) });
            self.put("DeploymentEnvironment", document);
        }
        for (number, name) in self.each("Lifecycles") {
            let mut rng = self.content("Lifecycles", name);
            let count = 1 + rng.below(3);
            let phases: Vec<Json> = (0..count)
                .map(|n| {
                    json!({ "Id": self.own.guid(), "Name": format!("Phase {n}"),
                        "AutomaticDeploymentTargets": self.some(&mut rng, "Environments"),
                        "OptionalDeploymentTargets": self.some(&mut rng, "Environments") })
                })
                .collect();
            let id = self.id("Lifecycles", number);
            self.put("Lifecycle", json!({ "Id": id, "Name": name, "Phases": phases }));
        }
        let mut rng = self.content("TagSets", "Region");
        let tags = self.each("Tags").into_iter().map(|(_, name)| {
            json!({ "Id": self.named("Tags", name), "Name": name, "Color": format!("#{:03}", rng.below(1000)) })
        });
        let tags: Vec<Json> = tags.collect();
        let set = json!({ "Id": self.id("TagSets", 0), "Name": "Region", "SortOrder": 1, "Tags": tags });
        self.put("TagSet", set);
        for (number, name) in self.each("Accounts") {
            let mut rng = self.content("Accounts", name);
            let (sort, member) = *rng.pick(&[
                ("AmazonWebServicesAccount", "SecretKey"),
                ("AzureServicePrincipal", "Password"),
                ("Token", "Token"),
            ]);
            let environments = self.some(&mut rng, "Environments");
            let tags = self.some(&mut rng, "Tags");
            let mut document = json!({ "Id": self.id("Accounts", number), "Name": name, "AccountType": sort,
                "EnvironmentIds": self.pipe(environments), "TenantTags": self.pipe(tags),
                "Description": self.text(&mut rng) });
            document[member] = if rng.chance(90) { self.secret(&mut rng) } else { Json::Null };
            self.put("Account", document);
        }
        // Certificates of one name and one thumbprint are told apart by number.
        for number in 0..3 {
            let mut rng = self.content("Certificates", &number.to_string());
            if number == 0 || self.has("Certificates", &number.to_string()) {
                let archived = (number == 1).then_some("2024-01-01T00:00:00+00:00");
                let document = json!({ "Id": self.id("Certificates", number), "Name": "web", "Thumbprint": "AB12",
                    "NotAfter": "2030-01-01T00:00:00+00:00", "Created": format!("2023-01-0{}T00:00:00+00:00", 1 + number),
                    "Archived": archived, "Subject": "CN=web", "EnvironmentIds": "",
                    "CertificateData": self.secret(&mut rng), "Password": null });
                self.put("Certificate", document);
            }
        }
        let mut rng = self.content("Feeds", "");
        self.put(
            "Feed",
            json!({ "Id": "feeds-builtin", "Name": "Octopus Server (built-in)", "FeedType": "BuiltIn" }),
        );
        let feed = json!({ "Id": self.id("Feeds", 0), "Name": "NuGet", "FeedType": "NuGet", "FeedUri": self.text(&mut rng),
            "Username": "u", "Password": self.secret(&mut rng) });
        self.put("Feed", feed);
        let policy = json!({ "Id": self.id("MachinePolicies", 0), "Name": "Default Machine Policy", "IsDefault": true });
        self.put("MachinePolicy", policy);
        for (number, name) in self.each("Machines") {
            let mut rng = self.content("Machines", name);
            let (environments, tags) = (self.some(&mut rng, "Environments"), self.some(&mut rng, "Tags"));
            let endpoint = match rng.below(2) {
                0 => json!({ "CommunicationStyle": "Ssh", "AccountId": self.may(&mut rng, "Accounts") }),
                _ => json!({ "SensitiveVariablesEncryptionPassword": self.secret(&mut rng) }),
            };
            let document = json!({ "Id": self.id("Machines", number), "Name": name, "IsDisabled": rng.chance(30),
                "Roles": "|db|web|", "EnvironmentIds": self.pipe(environments), "TenantTags": self.pipe(tags),
                "MachinePolicyId": self.id("MachinePolicies", 0), "CommunicationStyle": "None", "Endpoint": endpoint });
            self.put("Machine", document);
        }
    }

    fn people(&mut self) {
        for (number, name) in self.each("Users") {
            let mut rng = self.content("Users", name);
            let document = json!({ "Id": self.id("Users", number), "Username": name, "IsActive": true,
                "IdentificationToken": rng.guid(), "DisplayName": self.text(&mut rng),
                "PasswordHash": format!("hash {}", rng.below(99)) });
            self.put("User", document);
        }
        let list = if self.spaced() { "GrantedSpacePermissions" } else { "GrantedPermissions" };
        for (number, name) in self.each("UserRoles") {
            let mut rng = self.content("UserRoles", name);
            let all = ["ProjectView", "ProjectEdit", "EventView", "ReleaseCreate"];
            let granted: Vec<&str> = all.into_iter().filter(|_| rng.chance(60)).collect();
            let mut document = json!({ "Id": self.id("UserRoles", number), "Name": name });
            document[list] = json!(granted);
            self.put("UserRole", document);
        }
        let everyone =
            json!({ "Id": "teams-everyone", "Name": "Everyone", "MemberUserIds": "", "SpaceId": null });
        self.put("Team", everyone);
        for (number, name) in self.each("Teams") {
            let mut rng = self.content("Teams", name);
            let (members, environments) = (self.some(&mut rng, "Users"), self.some(&mut rng, "Environments"));
            let mut document = json!({ "Id": self.id("Teams", number), "Name": name, "MemberUserIds": self.pipe(members),
                "Description": self.text(&mut rng) });
            if !self.spaced() {
                document["EnvironmentIds"] = self.pipe(environments);
                document["ProjectIds"] = json!("");
                document["UserRoleIds"] = json!(self.some(&mut rng, "UserRoles"));
            }
            self.put("Team", document);
            // One role of a team several times: numbered.
            for n in 0..rng.below(3) as u32 {
                let document = json!({ "Id": self.id("ScopedUserRoles", 10 * number + n), "TeamId": self.id("Teams", number),
                    "UserRoleId": self.id("UserRoles", 0), "ProjectIds": self.some(&mut rng, "Projects"),
                    "EnvironmentIds": self.some(&mut rng, "Environments"), "ProjectGroupIds": [], "TenantIds": [] });
                self.put("ScopedUserRole", document);
            }
        }
    }

    fn variables(&mut self, rng: &mut Rng, owner: &str) {
        let mut variables = Vec::new();
        for n in 0..2 + rng.below(5) {
            let (sort, value) = match rng.below(4) {
                0 => ("Sensitive", self.secret(rng)),
                1 => ("AmazonWebServicesAccount", json!(self.may(rng, "Accounts"))),
                _ => ("String", json!(self.text(rng))),
            };
            let mut scope = Map::new();
            for (member, kind) in
                [("Environment", "Environments"), ("Machine", "Machines"), ("TenantTag", "Tags")]
            {
                let ids = if rng.chance(25) { self.some(rng, kind) } else { Vec::new() };
                if !ids.is_empty() {
                    scope.insert(member.to_owned(), json!(ids));
                }
            }
            variables
                .push(json!({ "Id": self.own.guid(), "Name": format!("Variable {}", n / 2), "Type": sort,
                "Value": value, "Scope": scope }));
        }
        let kind = if owner.starts_with("Projects") { "Project" } else { "LibraryVariableSet" };
        let document = json!({ "Id": format!("variableset-{owner}"), "OwnerId": owner, "OwnerType": kind,
            "IsFrozen": false, "Version": self.own.below(90), "Variables": variables });
        self.put("VariableSet", document);
    }

    fn libraries(&mut self) {
        for (number, name) in self.each("LibraryVariableSets") {
            let mut rng = self.content("LibraryVariableSets", name);
            let id = self.id("LibraryVariableSets", number);
            let template = Rng::new(number_of(name)).guid();
            let document = json!({ "Id": id, "Name": name, "VariableSetId": format!("variableset-{id}"),
                "ContentType": "Variables", "Description": self.text(&mut rng),
                "Templates": [{ "Id": template, "Name": "Url", "DisplaySettings": {} }] });
            self.put("LibraryVariableSet", document);
            self.variables(&mut rng, &id);
        }
    }

    fn steps(&mut self, rng: &mut Rng) -> Json {
        let count = 1 + rng.below(3);
        let steps = (0..count).map(|n| {
            let secret = if rng.chance(30) { json!({ "SensitiveValue": self.secret(rng) }) } else { json!("") };
            let action = json!({ "Id": rng.guid(), "Name": format!("Action {n}"), "ActionType": "Octopus.Script",
                "Environments": self.some(rng, "Environments"), "TenantTags": self.some(rng, "Tags"),
                "Packages": [{ "FeedId": if rng.chance(50) { "feeds-builtin".to_owned() } else { self.id("Feeds", 0) },
                    "PackageId": "Acme" }],
                "Properties": { "Octopus.Action.Azure.AccountId": self.may(rng, "Accounts"),
                    "Octopus.Action.Script.ScriptBody": self.text(rng), "Password": secret } });
            json!({ "Id": rng.guid(), "Name": format!("Step {n}"), "Properties": {}, "Actions": [action] })
        });
        steps.collect()
    }

    fn projects(&mut self) {
        for (number, name) in self.each("ProjectGroups") {
            let mut rng = self.content("ProjectGroups", name);
            let document = json!({ "Id": self.id("ProjectGroups", number), "Name": name, "Description": self.text(&mut rng) });
            self.put("ProjectGroup", document);
        }
        for (number, name) in self.each("Projects") {
            let mut rng = self.content("Projects", name);
            let id = self.id("Projects", number);
            let group = if self.has("ProjectGroups", "Tools") && rng.chance(50) { 1 } else { 0 };
            let lifecycle = if self.has("Lifecycles", "Hotfix") && rng.chance(50) { 1 } else { 0 };
            let included = self.some(&mut rng, "LibraryVariableSets");
            let document = json!({ "Id": id, "Name": name, "Slug": format!("project-{number}"), "IsDisabled": rng.chance(20),
                "VariableSetId": format!("variableset-{id}"), "DeploymentProcessId": format!("deploymentprocess-{id}"),
                "ProjectGroupId": self.id("ProjectGroups", group), "LifecycleId": self.id("Lifecycles", lifecycle),
                "AutoCreateRelease": false, "IncludedLibraryVariableSetIds": self.pipe(included),
                "ClonedFromProjectId": self.may(&mut rng, "Projects"), "Description": self.text(&mut rng), "Templates": [] });
            self.put("Project", document);
            self.variables(&mut rng, &id);
            let process = format!("deploymentprocess-{id}");
            let document = json!({ "Id": process, "OwnerId": id, "IsFrozen": false, "Version": self.own.below(90),
                "Steps": self.steps(&mut rng) });
            self.put("DeploymentProcess", document);
            let settings = json!({ "Id": format!("deploymentsettings-{id}"), "ProjectId": id,
                "DefaultGuidedFailureMode": if rng.chance(50) { "Off" } else { "On" } });
            self.put("DeploymentSettings", settings);
            self.belongings(&mut rng, number, name, &id);
        }
    }

    /// What belongs to a project: channels, triggers, runbooks, a release.
    fn belongings(&mut self, rng: &mut Rng, number: u32, project: &str, id: &str) {
        for (n, channel) in CHANNELS.into_iter().enumerate() {
            if n == 0 || self.has("Channels", &format!("{project} {channel}")) {
                let tags = self.some(rng, "Tags");
                let document = json!({ "Id": self.id("Channels", 10 * number + n as u32), "Name": channel, "ProjectId": id,
                    "LifecycleId": null, "TenantTags": self.pipe(tags), "IsDefault": n == 0, "Rules": [] });
                self.put("Channel", document);
            }
        }
        let trigger = json!({ "Id": self.id("ProjectTriggers", number), "Name": "Nightly", "ProjectId": id,
            "IsDisabled": rng.chance(50), "Filter": { "EnvironmentIds": self.some(rng, "Environments") },
            "Action": { "ChannelId": self.id("Channels", 10 * number) } });
        self.put("ProjectTrigger", trigger);
        let (runbook, process) =
            (self.id("Runbooks", number), format!("RunbookProcess-{}", self.id("Runbooks", number)));
        let document = json!({ "Id": runbook, "Name": "Restart", "ProjectId": id, "RunbookProcessId": process,
            "Environments": self.some(rng, "Environments") });
        self.put("Runbook", document);
        let steps = self.steps(rng);
        let document = json!({ "Id": process, "ProjectId": id, "RunbookId": runbook, "IsFrozen": false,
            "Version": self.own.below(9), "Steps": steps });
        self.put("RunbookProcess", document);
        if self.has("Releases", project) {
            let end =
                format!("s-{number}-{}", if self.server.side == Side::Source { "ABCDE" } else { "VWXYZ" });
            let (variables, process) =
                (format!("variableset-{id}-{end}"), format!("deploymentprocess-{id}-{end}"));
            let frozen = json!({ "Id": variables, "OwnerId": id, "OwnerType": "Project", "IsFrozen": true, "Version": 1,
                "Variables": [{ "Id": rng.guid(), "Name": "Frozen", "Type": "Sensitive", "Value": self.secret(rng), "Scope": {} }] });
            self.put("VariableSet", frozen);
            let steps = self.steps(rng);
            let frozen =
                json!({ "Id": process, "OwnerId": id, "IsFrozen": true, "Version": 1, "Steps": steps });
            self.put("DeploymentProcess", frozen);
            let release = json!({ "Id": self.id("Releases", number), "Version": format!("1.{}.0", rng.below(2)),
                "Assembled": THEN, "ProjectId": id, "ChannelId": self.id("Channels", 10 * number),
                "ProjectVariableSetSnapshotId": variables, "ProjectDeploymentProcessSnapshotId": process,
                "LibraryVariableSetSnapshotIds": [] });
            self.put("Release", release);
        }
    }

    fn tenants(&mut self) {
        for (number, name) in self.each("Tenants") {
            let mut rng = self.content("Tenants", name);
            let mut links = Map::new();
            for project in self.some(&mut rng, "Projects") {
                links.insert(project, json!(self.some(&mut rng, "Environments")));
            }
            let (projects, tags) = (links.keys().cloned().collect(), self.some(&mut rng, "Tags"));
            let id = self.id("Tenants", number);
            let document = json!({ "Id": id, "Name": name, "ProjectIds": self.pipe(projects), "TenantTags": self.pipe(tags),
                "ProjectEnvironments": links, "ClonedFromTenantId": self.may(&mut rng, "Tenants") });
            self.put("Tenant", document);
            for (library, owner) in self.each("LibraryVariableSets") {
                if rng.chance(60) {
                    let value = match rng.chance(40) {
                        true => json!({ "SensitiveValue": self.secret(&mut rng) }),
                        false => json!(self.text(&mut rng)),
                    };
                    let account = rng.chance(30).then(|| self.named("Accounts", "AWS"));
                    let document = json!({ "Id": self.id("TenantVariables", 10 * number + library), "TenantId": id,
                        "OwnerId": self.id("LibraryVariableSets", library), "EnvironmentId": null,
                        "VariableTemplateId": Rng::new(number_of(owner)).guid(), "RelatedDocumentId": account,
                        "Value": value });
                    self.put("TenantVariable", document);
                }
            }
        }
    }

    /// Events of one moment, which are told apart by number. Their ids have rows in a table of their own.
    fn events(&mut self) {
        let mut rng = self.content("Events", "");
        for number in 0..1 + rng.below(3) as u32 {
            let related = [self.named("Projects", PROJECTS[0]), self.named("Environments", ENVIRONMENTS[0])];
            let id = self.id("Events", number);
            let document = json!({ "Id": id, "RelatedDocumentIds": self.pipe(related.to_vec()), "Category": "Modified",
                "UserId": self.named("Users", USERS[0]), "Username": USERS[0], "Occurred": THEN,
                "Message": self.text(&mut rng), "AutoId": self.own.below(1000) + 1000 * number as usize });
            self.put("Event", document);
            for related in related {
                let insert = "INSERT INTO EventRelatedDocument (RelatedDocumentId, EventId) VALUES (?1, ?2)";
                self.db.execute(insert, (related, &id)).unwrap();
            }
        }
    }
}

fn pool(kind: &str) -> &'static [&'static str] {
    POOLS.iter().find(|(prefix, _)| *prefix == kind).unwrap_or_else(|| panic!("no names of {kind}")).1
}

fn sql(value: &Json) -> Sql {
    match value {
        Json::Null => Sql::Null,
        Json::Bool(truth) => Sql::Integer(i64::from(*truth)),
        Json::Number(number) => Sql::Integer(number.as_i64().unwrap()),
        Json::String(text) => Sql::Text(text.clone()),
        other => panic!("{other} is no column"),
    }
}

fn nothing(kind: &str) -> Sql {
    match kind {
        "int" | "bit" | "bigint" | "integer" => Sql::Integer(0),
        kind if kind.starts_with("datetime") => Sql::Text(THEN.to_owned()),
        _ => Sql::Text(String::new()),
    }
}
