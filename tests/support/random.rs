//! A random server: every form of reference and secret, nulls, odd names, numbers of every spelling.

use std::collections::BTreeMap;

use sealift::crypto::{MasterKey, SecretBytes};
use sealift::document::Value;
use sealift::server::Server;
use serde_json::{Value as Json, json};

use super::{Generated, Rng, Rows};

/// Names that have made trouble before.
pub(super) const ODD: [&str; 20] = [
    "plain",
    "Ünïcôdé",
    "日本語の名前",
    "emoji 🦭",
    "quo\"te",
    "apos'trophe",
    "sl/ash",
    "back\\slash",
    "per%cent",
    "[brackets]",
    "semi;colon, comma",
    "pi pe",
    "#hash $dollar",
    "..",
    "CON",
    " leading blank",
    "MiXeD cAsE",
    "<b>&amp;</b>",
    "tab\there",
    "a very long name that goes on and on, as names do when nobody says stop, until it is long enough to be \
     cut off by anything that cuts off",
];

/// A random server being made.
pub(super) struct Maker<'a> {
    pub(super) rows: Rows<'a>,
    /// Decides content: the same whatever the ids.
    pub(super) rng: Rng,
    /// Decides what is no content: ids of variables and phases, edit counters.
    pub(super) own: Rng,
    key: &'a MasterKey,
    offset: i64,
    pub(super) ids: BTreeMap<&'static str, Vec<String>>,
    last: BTreeMap<&'static str, i64>,
    /// What documents declare of others' values: a name, and the kind the value leads to.
    pub(super) types: BTreeMap<String, Vec<(String, &'static str)>>,
}

/// Fills an empty server with about `size` random documents (a hundred, if less is asked for). The same seed
/// with another `id_offset` gives the same content under other ids.
pub fn generate(
    server: &mut dyn Server,
    seed: u64,
    size: usize,
    id_offset: i64,
    key: &MasterKey,
) -> Generated {
    let rows = Rows::begin(server, format!("Spaces-{}", id_offset + 1));
    let own = Rng::new(seed ^ 0xa5a5 ^ id_offset as u64);
    let mut maker = Maker {
        rows,
        rng: Rng::new(seed),
        own,
        key,
        offset: id_offset,
        ids: BTreeMap::new(),
        last: BTreeMap::new(),
        types: BTreeMap::new(),
    };
    maker.all(size);
    maker.rows.finish(&maker.last)
}

type Columns = Vec<(&'static str, Value)>;

impl Maker<'_> {
    fn all(&mut self, size: usize) {
        let shares = [
            ("Environment", "DeploymentEnvironment", "Environments-", 4),
            ("Lifecycle", "Lifecycle", "Lifecycles-", 3),
            ("TagSet", "TagSet", "TagSets-", 2),
            ("Account", "Account", "Accounts-", 4),
            ("Certificate", "Certificate", "Certificates-", 3),
            ("Feed", "Feed", "Feeds-", 3),
            ("GitCredential", "GitCredential", "GitCredentials-", 1),
            ("Proxy", "Proxy", "Proxies-", 1),
            ("WorkerPool", "WorkerPool", "WorkerPools-", 2),
            ("MachinePolicy", "MachinePolicy", "MachinePolicies-", 2),
            ("Machine", "Machine", "Machines-", 6),
            ("Worker", "Worker", "Workers-", 2),
            ("Community", "CommunityActionTemplate", "CommunityActionTemplates-", 1),
            ("Template", "ActionTemplate", "ActionTemplates-", 2),
            ("TemplateVersion", "ActionTemplateVersion", "ActionTemplateVersions-", 2),
            ("ProjectGroup", "ProjectGroup", "ProjectGroups-", 2),
            ("Library", "LibraryVariableSet", "LibraryVariableSets-", 3),
            ("Project", "Project", "Projects-", 6),
            ("Channel", "Channel", "Channels-", 6),
            ("Trigger", "ProjectTrigger", "ProjectTriggers-", 3),
            ("Runbook", "Runbook", "Runbooks-", 3),
            ("Tenant", "Tenant", "Tenants-", 5),
            ("TenantVariable", "TenantVariable", "TenantVariables-", 6),
            ("User", "User", "Users-", 3),
            ("UserRole", "UserRole", "UserRoles-", 2),
            ("Team", "Team", "Teams-", 3),
            ("ScopedUserRole", "ScopedUserRole", "ScopedUserRoles-", 2),
            ("Subscription", "Subscription", "Subscriptions-", 1),
        ];
        for (kind, table, prefix, share) in shares {
            let count = (share * size).div_ceil(100).max(share);
            let ids = (1..=count as i64).map(|n| format!("{prefix}{}", self.offset + n)).collect();
            self.ids.insert(kind, ids);
            self.last.insert(table, self.offset + count as i64);
        }
        self.last.insert("Space", self.offset + 1);
        self.ids.get_mut("Feed").unwrap()[0] = "feeds-builtin".to_owned();
        self.ids.get_mut("Team").unwrap()[0] = "teams-everyone".to_owned();
        let tags: Vec<String> = self.ids["TagSet"]
            .iter()
            .flat_map(|set| (1..=3).map(move |n| format!("{set}/Tags-{n}")))
            .collect();
        self.ids.insert("Tag", tags);
        let space = self.rows.space.clone();
        let columns = vec![("Id", space.into()), ("Name", "Default".into()), ("IsDefault", true.into())];
        let body = json!({ "Description": "", "SpaceManagersTeams": self.list("Team"),
            "SpaceManagersTeamMembers": self.list("User"), "TaskQueueStopped": self.own.chance(50) });
        self.put("Space", columns, body);
        self.infrastructure();
        self.people();
        self.templates();
        self.projects();
        self.tenants();
    }

    pub(super) fn put(&mut self, table: &'static str, columns: Columns, mut body: Json) {
        if let Json::Object(members) = &mut body {
            if self.rng.chance(20) {
                members.insert("Note".into(), json!(self.text()));
            }
            if self.rng.chance(15) {
                let odd = json!({ "Deep": [null, true, [], {}, { "Huge": "@18446744073709551615" }],
                    "Exact": "@1.50", "Small": "@-2.5e-7", "Zero": "@-0", "": "a member without a name" });
                members.insert("FromANewerVersion".into(), odd);
            }
        }
        // Numbers as they are spelled, which serde_json would not keep.
        let mut text = body.to_string();
        for number in ["18446744073709551615", "1.50", "-2.5e-7", "-0"] {
            text = text.replace(&format!("\"@{number}\""), number);
        }
        self.rows.put(table, &columns, text);
    }

    /// The ids of a kind with their positions.
    pub(super) fn each(&self, kind: &'static str) -> Vec<(usize, String)> {
        self.ids[kind].iter().cloned().enumerate().collect()
    }

    pub(super) fn name(&mut self, index: usize) -> String {
        format!("{} {index}", self.rng.pick(&ODD))
    }

    /// A GUID that belongs to a name: whoever has the name has the GUID, and nobody else.
    pub(super) fn guid_of(name: &str) -> String {
        let hash = name.bytes().fold(0xcbf2_9ce4_8422_2325u64, |hash, byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
        });
        Rng::new(hash).guid()
    }

    pub(super) fn text(&mut self) -> String {
        match self.rng.below(6) {
            0 => String::new(),
            1 => "see Projects-1, and Environments-2 too".to_owned(),
            2 => "#{Some.Variable | ToLower}".to_owned(),
            3 => "line\r\nbreaks\n\tand \u{1} controls \u{2028}".to_owned(),
            4 => format!("{} {}", self.rng.pick(&ODD), self.rng.below(1000)),
            _ => "x".repeat(self.rng.below(300)),
        }
    }

    pub(super) fn secret(&mut self) -> String {
        let text = format!("{} {:x}", self.rng.pick(&ODD), self.rng.next());
        self.key.encrypt(&SecretBytes::from(text.into_bytes())).unwrap()
    }

    /// An id that must be there.
    pub(super) fn must(&mut self, kind: &'static str) -> String {
        let at = self.rng.below(self.ids[kind].len());
        self.ids[kind][at].clone()
    }

    /// An id, nothing, or the id of something that is gone.
    pub(super) fn may(&mut self, kind: &'static str) -> Option<String> {
        match self.rng.below(10) {
            0..3 => None,
            3 => Some(format!("{kind}-gone")),
            _ => Some(self.must(kind)),
        }
    }

    /// Up to three different ids.
    pub(super) fn list(&mut self, kind: &'static str) -> Vec<String> {
        let mut ids = Vec::new();
        for _ in 0..self.rng.below(4) {
            let id = self.must(kind);
            if !ids.contains(&id) {
                ids.push(id);
            }
        }
        ids
    }

    /// A column with a list; how it is spelled is no content.
    pub(super) fn pipe(&mut self, kind: &'static str) -> Value {
        let ids = self.list(kind);
        self.spell(&ids)
    }

    pub(super) fn spell(&mut self, ids: &[String]) -> Value {
        let end = if self.own.chance(50) { "|" } else { "| " };
        Value::Text(if ids.is_empty() { "||".to_owned() } else { format!("|{}{end}", ids.join("|")) })
    }

    fn infrastructure(&mut self) {
        for (i, id) in self.each("Environment") {
            let columns = vec![
                ("Id", id.into()),
                ("Name", self.name(i).into()),
                ("SortOrder", Value::Int(self.rng.below(9) as i64)),
            ];
            let body = json!({ "UseGuidedFailure": self.rng.chance(50) });
            self.put("DeploymentEnvironment", columns, body);
        }
        for (i, id) in self.each("Lifecycle") {
            let phases: Vec<Json> = (0..self.rng.below(4))
                .map(|n| {
                    json!({ "Id": self.own.guid(), "Name": format!("Phase {n}"),
                        "AutomaticDeploymentTargets": self.list("Environment"),
                        "OptionalDeploymentTargets": self.list("Environment") })
                })
                .collect();
            let columns = vec![("Id", id.into()), ("Name", self.name(i).into())];
            let body = json!({ "Phases": phases });
            self.put("Lifecycle", columns, body);
        }
        for (i, id) in self.each("TagSet") {
            let tags: Vec<Json> = (1..=3)
                .map(|n| json!({ "Id": format!("{id}/Tags-{n}"), "Name": self.name(n), "SortOrder": n }))
                .collect();
            let columns =
                vec![("Id", id.into()), ("Name", self.name(i).into()), ("SortOrder", Value::Int(i as i64))];
            let body = json!({ "Tags": tags });
            self.put("TagSet", columns, body);
        }
        for (i, id) in self.each("Account") {
            let (account_type, member) = *self.rng.pick(&[
                ("AzureServicePrincipal", "Password"),
                ("AmazonWebServicesAccount", "SecretKey"),
                ("GoogleCloudAccount", "JsonKey"),
                ("Token", "Token"),
                ("SshKeyPair", "PrivateKeyFile"),
            ]);
            let mut body = json!({ "Description": self.text() });
            body[member] = if self.rng.chance(90) { self.secret().into() } else { Json::Null };
            let columns = vec![
                ("Id", id.into()),
                ("Name", self.name(i).into()),
                ("AccountType", account_type.into()),
                ("EnvironmentIds", self.pipe("Environment")),
                ("TenantIds", self.pipe("Tenant")),
                ("TenantTags", self.pipe("Tag")),
            ];
            self.put("Account", columns, body);
        }
        for (_, id) in self.each("Certificate") {
            let name = self.name(0);
            let thumbprint = format!("{:016X}{:016X}", self.rng.next(), self.rng.next());
            let columns = vec![
                ("Id", id.into()),
                ("Name", name.into()),
                ("Thumbprint", thumbprint.into()),
                ("NotAfter", "2030-01-01T00:00:00+00:00".into()),
                ("Subject", "CN=generated".into()),
                ("EnvironmentIds", self.pipe("Environment")),
                (
                    "Archived",
                    if self.rng.chance(30) { "2024-01-01T00:00:00+00:00".into() } else { Value::Null },
                ),
                ("Created", "2023-01-01T00:00:00+00:00".into()),
            ];
            let body = json!({ "CertificateData": self.secret(), "Password": Json::Null,
                "ReplacedBy": self.may("Certificate") });
            self.put("Certificate", columns, body);
        }
        for (i, id) in self.each("Feed") {
            let feed_type = if id == "feeds-builtin" { "BuiltIn" } else { "NuGet" };
            let columns = vec![
                ("Id", id.into()),
                ("Name", self.name(i).into()),
                ("FeedUri", "https://feed.example".into()),
                ("FeedType", feed_type.into()),
            ];
            let body = json!({ "Username": "u", "Password": self.secret() });
            self.put("Feed", columns, body);
        }
        for (i, id) in self.each("GitCredential") {
            let columns = vec![("Id", id.into()), ("Name", self.name(i).into())];
            let body = json!({ "Details": { "Password": self.secret() } });
            self.put("GitCredential", columns, body);
        }
        for (i, id) in self.each("Proxy") {
            let columns = vec![("Id", id.into()), ("Name", self.name(i).into())];
            let body = json!({ "Host": "proxy.example", "Password": self.secret() });
            self.put("Proxy", columns, body);
        }
        for (i, id) in self.each("WorkerPool") {
            let columns = vec![
                ("Id", id.into()),
                ("Name", self.name(i).into()),
                ("SortOrder", Value::Int(i as i64)),
                ("IsDefault", (i == 0).into()),
            ];
            let body = json!({ "Description": self.text() });
            self.put("WorkerPool", columns, body);
        }
        for (i, id) in self.each("MachinePolicy") {
            let columns =
                vec![("Id", id.into()), ("Name", self.name(i).into()), ("IsDefault", (i == 0).into())];
            let body = json!({ "MachineUpdatePolicy": { "TentacleUpdateAccountId": self.may("Account") } });
            self.put("MachinePolicy", columns, body);
        }
        for (i, id) in self.each("Machine") {
            let columns = vec![
                ("Id", id.into()),
                ("Name", self.name(i).into()),
                ("IsDisabled", self.rng.chance(20).into()),
                ("Roles", "|web|".into()),
                ("EnvironmentIds", self.pipe("Environment")),
                ("MachinePolicyId", self.must("MachinePolicy").into()),
                ("TenantIds", self.pipe("Tenant")),
                ("TenantTags", self.pipe("Tag")),
                ("CommunicationStyle", "Generated".into()),
            ];
            let body = json!({ "Endpoint": self.endpoint() });
            self.put("Machine", columns, body);
        }
        for (i, id) in self.each("Worker") {
            let columns = vec![
                ("Id", id.into()),
                ("Name", self.name(i).into()),
                ("IsDisabled", false.into()),
                ("WorkerPoolIds", self.pipe("WorkerPool")),
                ("MachinePolicyId", self.must("MachinePolicy").into()),
                ("CommunicationStyle", "Generated".into()),
            ];
            let body = json!({ "Endpoint": self.endpoint() });
            self.put("Worker", columns, body);
        }
    }

    fn endpoint(&mut self) -> Json {
        match self.rng.below(4) {
            0 => json!({ "$type": "Listening, Generated", "ProxyId": self.may("Proxy"), "Uri": self.text() }),
            1 => json!({ "$type": "Ssh, Generated", "AccountId": self.may("Account"), "Aaa": "sorts first" }),
            2 => json!({ "$type": "Drop, Generated", "SensitiveVariablesEncryptionPassword": self.secret() }),
            _ => json!({ "$type": "Kubernetes, Generated", "DefaultWorkerPoolId": self.may("WorkerPool"),
                "ClusterCertificate": self.may("Certificate"), "Container": { "FeedId": self.may("Feed") },
                "Authentication": { "AccountId": self.may("Account") } }),
        }
    }

    fn people(&mut self) {
        for (i, id) in self.each("User") {
            let columns = vec![
                ("Id", id.into()),
                ("Username", format!("user.{i}").into()),
                ("IsActive", true.into()),
                ("IsService", self.rng.chance(20).into()),
                ("IdentificationToken", self.rng.guid().into()),
                ("DisplayName", self.name(i).into()),
            ];
            let body = json!({ "PasswordHash": format!("hash {}", self.rng.next()) });
            self.put("User", columns, body);
        }
        for (i, id) in self.each("UserRole") {
            let columns = vec![("Id", id.into()), ("Name", self.name(i).into())];
            let body = json!({ "GrantedSpacePermissions": ["ProjectView", "ProjectEdit"],
                "GrantedSystemPermissions": [] });
            self.put("UserRole", columns, body);
        }
        for (i, id) in self.each("Team") {
            let space = if i == 0 { Value::Null } else { self.rows.space.as_str().into() };
            let columns = vec![
                ("Id", id.into()),
                ("Name", self.name(i).into()),
                ("MemberUserIds", self.pipe("User")),
                ("SpaceId", space),
            ];
            let body = json!({ "Description": self.text() });
            self.put("Team", columns, body);
        }
        // One role a team: the numbering of equal keys follows the ids, which are no content.
        for ((i, id), (_, team)) in self.each("ScopedUserRole").into_iter().zip(self.each("Team")) {
            let role = self.ids["UserRole"][i % self.ids["UserRole"].len()].clone();
            let columns = vec![("Id", id.into()), ("TeamId", team.into()), ("UserRoleId", role.into())];
            let body = json!({ "ProjectIds": self.list("Project"), "ProjectGroupIds": [],
                "EnvironmentIds": self.list("Environment"), "TenantIds": self.list("Tenant") });
            self.put("ScopedUserRole", columns, body);
        }
        for (i, id) in self.each("Subscription") {
            let columns =
                vec![("Id", id.into()), ("Name", self.name(i).into()), ("IsDisabled", false.into())];
            let body = json!({ "EventNotificationSubscription": { "WebhookTeams": self.list("Team"),
                "Filter": { "Tags": self.list("Tag"), "Projects": self.list("Project") },
                "WebhookHeaderValue": self.secret(), "WebhookLastProcessedEventAutoId": self.own.below(99) } });
            self.put("Subscription", columns, body);
        }
    }
}
