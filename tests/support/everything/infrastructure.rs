//! Spaces, environments, and what deployments run on and with.

use serde_json::{Value as Json, json};

use super::TRAP;
use super::rows::{Sql, row};
use super::world::{SPACES, World};

impl World {
    /// What the installer makes: documents that every server has by the same names.
    pub fn installed(&mut self) {
        self.server();
        self.space_of_installer();
        let id = self.id("Lifecycles", "Default Lifecycle");
        self.put("Lifecycle", row!["Id" => id, "Name" => "Default Lifecycle"], json!({ "Phases": [] }));
        let id = self.id("ProjectGroups", "Default Project Group");
        self.put("ProjectGroup", row!["Id" => id, "Name" => "Default Project Group"], json!({}));
        let id = self.id("WorkerPools", "Default Worker Pool");
        let row = row!["Id" => id, "Name" => "Default Worker Pool", "SortOrder" => 0, "IsDefault" => true];
        self.put("WorkerPool", row, json!({}));
        let id = self.id("MachinePolicies", "Default Machine Policy");
        let row = row!["Id" => id, "Name" => "Default Machine Policy", "IsDefault" => true];
        self.put("MachinePolicy", row, json!({}));
        let row = row!["Id" => "feeds-builtin", "Name" => "Octopus Server (built-in)", "FeedUri" => "",
            "FeedType" => "BuiltIn"];
        self.put("Feed", row, json!({ "DeleteUnreleasedPackagesAfterDays": 30 }));
        self.system_people();
    }

    fn space_of_installer(&mut self) {
        if self.spaces() {
            let id = self.global("Spaces", SPACES[0]);
            let body = json!({ "SpaceManagersTeams": [], "SpaceManagersTeamMembers": [], "TaskQueueStopped": false });
            self.put("Space", row!["Id" => id, "Name" => SPACES[0], "IsDefault" => true], body);
        }
    }

    /// What a server keeps of itself, and what never travels.
    pub fn server(&mut self) {
        let own = self.numbering.offset;
        let row = row!["Id" => "OctopusServerInstallationHistory-1", "Node" => format!("NODE-{own}"),
            "Version" => "2019.3.0", "Installed" => "2019-03-05T06:10:00.0000000+00:00"];
        self.put("OctopusServerInstallationHistory", row, json!({}));
        for (id, secret) in [("smtp", "SmtpPassword"), ("license", "LicenseText")] {
            let secret_value = self.encrypted(&format!("{id} of {own}"));
            let body = json!({ secret: secret_value, "ServerUri": format!("https://{own}") });
            self.put("Configuration", row!["Id" => id], body);
        }
        let row = row!["Id" => "SchemaVersions", "ScriptName" => "Script0001", "Applied" => "2018-01-01"];
        let row =
            row.into_iter().map(|(n, v)| (n, if n == "Id" { Sql::Integer(own as i64) } else { v })).collect();
        self.put("SchemaVersions", row, json!({}));
        let row = row!["Id" => format!("OctopusServerNodes-{own}"), "Name" => format!("node {own}"),
            "LastSeen" => "2019-03-05T06:10:00.0000000+00:00", "Rank" => "Leader", "MaxConcurrentTasks" => 5,
            "IsInMaintenanceMode" => false];
        self.put("OctopusServerNode", row, json!({}));
    }

    /// All of the server.
    pub fn everything(&mut self) {
        self.server();
        let spaces: &[&str] = if self.spaces() { &SPACES } else { &SPACES[..1] };
        if self.spaces() {
            for (number, name) in SPACES.iter().enumerate() {
                let id = self.global("Spaces", name);
                let default = number == 0;
                let teams = [self.scoped("Teams", name, "Operators"), "teams-administrators".to_owned()];
                let members = [self.one("Users", number), "users-system".to_owned()];
                let body = json!({ "Description": self.text("space"), "TaskQueueStopped": !default,
                    "SpaceManagersTeams": teams, "SpaceManagersTeamMembers": members });
                self.put("Space", row!["Id" => id, "Name" => *name, "IsDefault" => default], body);
            }
        }
        self.system_people();
        self.people();
        self.community();
        for space in spaces {
            self.space = if *space == SPACES[0] { SPACES[0] } else { SPACES[1] };
            self.infrastructure();
            self.machines();
            self.templates();
            self.projects();
            self.variable_sets();
            self.tenants();
            self.teams();
            self.history();
            if self.newest() {
                self.newest_of_space();
            }
            if self.twist.extras {
                self.extras();
            }
        }
        self.space = SPACES[0];
        if self.newest() {
            self.newest_of_server();
        }
    }

    fn infrastructure(&mut self) {
        for (number, name) in ["Development", "Test", "Production"].into_iter().enumerate() {
            let id = self.id("Environments", name);
            let body = json!({ "Description": self.text("environment"), "UseGuidedFailure": number == 2 });
            // Names compare without case; an import brings the source's spelling.
            let name = if self.twist.extras && number == 2 { "PRODUCTION" } else { name };
            let row = row!["Id" => id, "Name" => name, "SortOrder" => number as i64];
            self.put("DeploymentEnvironment", row, body);
        }
        for (number, set, tags) in [(0, "Region", ["North", "South"]), (1, "Ring", ["Alpha", "Beta"])] {
            let id = self.id("TagSets", set);
            let tags: Vec<Json> = tags
                .iter()
                .map(|tag| json!({ "Id": self.tag(set, tag), "Name": tag, "Color": self.text("colour") }))
                .collect();
            let row = row!["Id" => id, "Name" => set, "SortOrder" => number];
            let body = json!({ "Description": self.text("tags"), "Tags": tags });
            self.put("TagSet", row, body);
        }
        for (number, name) in ["Default Lifecycle", "Hotfix only"].into_iter().enumerate() {
            let id = self.id("Lifecycles", name);
            let phases = json!([
                { "Id": self.own_guid(&format!("{name} 1")), "Name": "First", "MinimumEnvironmentsBeforePromotion": 0,
                  "AutomaticDeploymentTargets": self.some("Environments", number, 2),
                  "OptionalDeploymentTargets": [] },
                { "Id": self.own_guid(&format!("{name} 2")), "Name": "Then",
                  "AutomaticDeploymentTargets": [],
                  "OptionalDeploymentTargets": self.some("Environments", number + 1, 2) },
            ]);
            let body = json!({ "Description": self.text("lifecycle"), "Phases": phases,
                "ReleaseRetentionPolicy": { "Unit": "Days", "QuantityToKeep": 3 } });
            self.put("Lifecycle", row!["Id" => id, "Name" => name], body);
        }
        self.accounts();
        self.certificates();
        self.feeds();
        for (number, name) in ["GitHub", "GitLab"].into_iter().enumerate() {
            let id = self.id("GitCredentials", name);
            let body = json!({ "Description": self.text("git"), "Details": { "Type": "UsernamePassword",
                "Username": format!("git{number}"), "Password": self.secret("git") } });
            self.put("GitCredential", row!["Id" => id, "Name" => name], body);
        }
        for name in ["Squid", "Corporate"] {
            let id = self.id("Proxies", name);
            let body = json!({ "Host": self.text("proxy"), "Port": 3128, "Password": self.secret("proxy") });
            self.put("Proxy", row!["Id" => id, "Name" => name], body);
        }
        for (number, name) in ["Default Worker Pool", "Linux", "Windows"].into_iter().enumerate() {
            let id = self.id("WorkerPools", name);
            // Which one is the default is the server's choice.
            let default = number == self.twist.overwritten % 3;
            let row = row!["Id" => id, "Name" => name, "SortOrder" => number as i64, "IsDefault" => default];
            let body = json!({ "Description": self.text("pool") });
            self.put("WorkerPool", row, body);
        }
        for (number, name) in ["Default Machine Policy", "Patient"].into_iter().enumerate() {
            let id = self.id("MachinePolicies", name);
            let body = json!({ "Description": self.text("policy"), "MachineUpdatePolicy": {
                "TentacleUpdateAccountId": self.one("Accounts", number), "CalamariUpdateBehavior": "UpdateAlways" } });
            let default = number == self.twist.overwritten % 2;
            self.put("MachinePolicy", row!["Id" => id, "Name" => name, "IsDefault" => default], body);
        }
    }

    fn accounts(&mut self) {
        for (number, (name, kind, secrets)) in [
            ("AWS", "AmazonWebServicesAccount", &["SecretKey"][..]),
            ("Azure", "AzureServicePrincipal", &["Password"]),
            ("Azure old", "AzureSubscription", &["CertificateBytes"]),
            ("Google", "GoogleCloudAccount", &["JsonKey"]),
            ("SSH", "SshKeyPair", &["PrivateKeyFile", "PrivateKeyPassphrase"]),
            ("Token", "Token", &["Token"]),
            ("Password", "UsernamePassword", &["Password"]),
            ("OIDC", "GenericOidcAccount", &[]),
        ]
        .into_iter()
        .enumerate()
        {
            let id = self.id("Accounts", name);
            let mut body = json!({ "Description": self.text("account"), "Username": TRAP });
            for secret in secrets {
                body[*secret] = json!(self.secret(secret));
            }
            // Empty sets of every spelling, full ones, and an environment that is long gone.
            let mut environments = self.some("Environments", number, number % 3);
            if number == 5 {
                environments.push("Environments-999001".to_owned());
            }
            let tenants = if number % 2 == 0 { vec![] } else { vec![self.one("Tenants", number)] };
            let tags = self.tags(number, number % 3);
            let row = row!["Id" => id, "Name" => name, "AccountType" => kind,
                "EnvironmentIds" => self.full_pipe(environments), "TenantIds" => self.pipe(tenants),
                "TenantTags" => self.pipe(tags)];
            self.put("Account", row, body);
        }
    }

    /// Three of one name: two that are old, and the one that replaced them.
    fn certificates(&mut self) {
        let archived = if self.twist.close { "BB22" } else { "DD44" };
        for (number, (label, name, thumbprint, archived)) in [
            ("web new", "Web", "AA11", None),
            ("web old", "Web", "BB22", None),
            ("web archived", "Web", archived, Some("2018-05-01T00:00:00+00:00")),
            ("signing", "Signing", "CC33", None),
        ]
        .into_iter()
        .enumerate()
        {
            let id = self.id("Certificates", label);
            let environments = self.some("Environments", number, number % 3);
            let tenants =
                if number == 1 { vec![self.one("Tenants", 0), self.one("Tenants", 1)] } else { vec![] };
            let tags = self.tags(number, number % 2);
            let row = row!["Id" => id, "Name" => name, "Thumbprint" => thumbprint,
                "NotAfter" => "2030-01-01T00:00:00+00:00", "Subject" => "CN=web",
                "EnvironmentIds" => self.pipe(environments), "TenantIds" => self.pipe(tenants),
                "TenantTags" => self.pipe(tags), "Archived" => archived, "Created" => "2018-01-01T00:00:00+00:00"];
            let replaced = if label.starts_with("web ") && label != "web new" {
                json!(self.id("Certificates", "web new"))
            } else {
                Json::Null
            };
            let body = json!({ "Notes": self.text("certificate"), "CertificateDataFormat": "Pkcs12",
                "CertificateData": self.secret("pfx"), "Password": self.secret("pfx"), "ReplacedBy": replaced });
            self.put("Certificate", row, body);
        }
    }

    fn feeds(&mut self) {
        for (label, kind, secret) in [
            ("built-in", "BuiltIn", None),
            ("NuGet", "NuGet", Some("Password")),
            ("Docker", "Docker", Some("Password")),
            ("S3", "S3", Some("SecretKey")),
            ("GCS", "GoogleContainerRegistry", Some("ServiceAccountJsonKey")),
        ] {
            let id = self.id("Feeds", label);
            let name = if label == "built-in" { "Octopus Server (built-in)" } else { label };
            let row = row!["Id" => id, "Name" => name, "FeedUri" => format!("https://{label}.example"),
                "FeedType" => kind];
            let mut body = json!({ "DownloadAttempts": 5, "Note": self.text("feed") });
            if let Some(secret) = secret {
                body[secret] = json!(self.secret(label));
            }
            self.put("Feed", row, body);
        }
    }

    fn machines(&mut self) {
        let endpoints = [
            (
                "web-01",
                json!({ "$type": "Octopus.Core.Model.ListeningTentacleEndpoint, Octopus.Core",
                "CommunicationStyle": "TentaclePassive", "ProxyId": self.one("Proxies", 0), "Uri": "https://web-01:10933" }),
            ),
            (
                "web-02",
                json!({ "CommunicationStyle": "Ssh", "AccountId": self.one("Accounts", 4),
                "ProxyId": self.one("Proxies", 1), "Host": TRAP }),
            ),
            (
                "drop",
                json!({ "CommunicationStyle": "OfflineDrop",
                "SensitiveVariablesEncryptionPassword": self.secret("drop") }),
            ),
            (
                "fabric",
                json!({ "CommunicationStyle": "AzureServiceFabricCluster",
                "AadUserCredentialPassword": self.secret("fabric"), "CertVariable": self.one("Certificates", 3) }),
            ),
            (
                "kube",
                json!({ "CommunicationStyle": "Kubernetes", "ProxyId": null,
                "TentacleEndpointConfiguration": { "CommunicationMode": "Listening", "ProxyId": self.one("Proxies", 1) },
                "DefaultWorkerPoolId": self.one("WorkerPools", 1),
                "ClusterCertificate": self.one("Certificates", 0),
                "Container": { "FeedId": self.one("Feeds", 2), "Image": "octopusdeploy/worker-tools" },
                "Authentication": { "AccountId": self.one("Accounts", 5),
                    "ClientCertificate": self.one("Certificates", 3) } }),
            ),
            (
                "azure-web",
                json!({ "CommunicationStyle": "AzureWebApp", "AccountId": self.one("Accounts", 1),
                "WorkerPoolId": self.one("WorkerPools", 2), "CertVariable": "#{Certificate}" }),
            ),
        ];
        for (number, (name, endpoint)) in endpoints.into_iter().enumerate() {
            let style = endpoint["CommunicationStyle"].as_str().unwrap_or_default().to_owned();
            let environments = self.some("Environments", number, number % 3);
            let tenants = if number % 2 == 0 { vec![] } else { vec![self.one("Tenants", number)] };
            let tags = self.tags(number, number % 2);
            // A role that looks like an id is a role.
            let row = row!["Id" => self.id("Machines", name), "Name" => name, "IsDisabled" => number == 1,
                "Roles" => format!("|web|{TRAP}|"), "EnvironmentIds" => self.full_pipe(environments),
                "MachinePolicyId" => if number == 2 { None } else { Some(self.one("MachinePolicies", number)) },
                "TenantIds" => self.pipe(tenants), "TenantTags" => self.pipe(tags),
                "Thumbprint" => "ABCD", "Fingerprint" => None::<String>, "CommunicationStyle" => style.as_str()];
            let body = json!({ "Endpoint": endpoint, "TenantedDeploymentParticipation": "Untenanted",
                "Note": self.text("machine") });
            self.put("Machine", row, body.clone());
            if number < 2 || name == "kube" {
                let pools = self.some("WorkerPools", number, 1 + number % 2);
                let row = row!["Id" => self.id("Workers", name), "Name" => format!("worker {name}"),
                    "IsDisabled" => false, "WorkerPoolIds" => self.pipe(pools),
                    "MachinePolicyId" => self.one("MachinePolicies", number),
                    "Thumbprint" => None::<String>, "Fingerprint" => None::<String>,
                    "CommunicationStyle" => style];
                let mut endpoint = body["Endpoint"].clone();
                endpoint["AadUserCredentialPassword"] = json!(self.secret("worker"));
                self.put("Worker", row, json!({ "Endpoint": endpoint }));
            }
        }
        let row = row!["Id" => self.id("Workers", "none"), "Name" => "worker without a pool",
            "IsDisabled" => false, "WorkerPoolIds" => self.pipe(vec![]),
            "MachinePolicyId" => self.one("MachinePolicies", 0),
            "Thumbprint" => None::<String>, "Fingerprint" => None::<String>, "CommunicationStyle" => "None"];
        let body = json!({ "Endpoint": {
            "SensitiveVariablesEncryptionPassword": self.secret("worker drop"),
            "WorkerPoolId": self.one("WorkerPools", 0), "ClusterCertificate": self.one("Certificates", 1),
            "CertVariable": self.one("Certificates", 0) } });
        self.put("Worker", row, body);
    }
}
