//! Environments, lifecycles, accounts, certificates, feeds, worker pools, machines: what projects stand on.

use serde_json::{Value as Json, json};

use super::DemoError;
use super::writer::Writer;
use crate::document::Value;

/// Writes what projects stand on, in the default space.
pub(super) fn build(w: &mut Writer<'_>) -> Result<(), DemoError> {
    let environments: &[&str] = w.pick(
        &["Development", "Test", "Staging", "Production", "Disaster Recovery"],
        &["PRODUCTION", "Staging", "Disaster Recovery", "Training"],
    );
    for (order, name) in environments.iter().enumerate() {
        environment(w, name, order)?;
    }
    tag_sets(w)?;
    lifecycle(w, "Default Lifecycle", &[])?;
    if w.is_build() {
        lifecycle(
            w,
            "Straight to Production",
            &[("Build", &["Development"], &[]), ("Live", &[], &["Production"])],
        )?;
        lifecycle(
            w,
            "Four Steps",
            &[
                ("Try", &["Development"], &[]),
                ("Test", &[], &["Test"]),
                ("Rehearse", &[], &["Staging"]),
                ("Live", &[], &["Production", "Disaster Recovery"]),
            ],
        )?;
        lifecycle(w, "Hotfix", &[("Live", &[], &["Staging", "Production"])])?;
    } else {
        lifecycle(
            w,
            "Four Steps",
            &[("Rehearse", &[], &["Staging"]), ("Live", &[], &["Production", "Disaster Recovery"])],
        )?;
        lifecycle(w, "Training Only", &[("Course", &["Training"], &[])])?;
    }
    accounts(w)?;
    certificates(w)?;
    feeds(w)?;
    workers(w)?;
    machines(w)
}

/// Documents of another space with names that the default space has too.
pub(super) fn second_space(w: &mut Writer<'_>) -> Result<(), DemoError> {
    environment(w, "Development", 0)?;
    environment(w, "Production", 1)?;
    lifecycle(w, "Default Lifecycle", &[("All", &["Development"], &["Production"])])?;
    let id = w.next_named("Feed", "Feed", "Feeds-", "Heron Packages");
    feed(w, &id, "Heron Packages", "NuGet", "https://packages.heron.example/v3/index.json", json!({}))
}

fn environment(w: &mut Writer<'_>, name: &str, order: usize) -> Result<(), DemoError> {
    let id = w.next_named("Environment", "DeploymentEnvironment", "Environments-", name);
    let columns = [("Id", id.into()), ("Name", name.into()), ("SortOrder", Value::Int(order as i64))];
    let body = json!({ "Description": format!("{name} of Heron Books."),
        "UseGuidedFailure": name.eq_ignore_ascii_case("production"), "AllowDynamicInfrastructure": true });
    w.put("DeploymentEnvironment", &columns, &body)
}

fn tag_sets(w: &mut Writer<'_>) -> Result<(), DemoError> {
    let sets: [(&str, &[&str]); 2] = [
        ("Region", w.pick(&["Europe", "Americas", "Asia Pacific"], &["Americas", "Europe"])),
        ("Tier", w.pick(&["Gold", "Silver", "Early Adopter"], &["Silver", "Gold", "Legacy"])),
    ];
    for (order, (set, tags)) in sets.into_iter().enumerate() {
        let id = w.next_named("TagSet", "TagSet", "TagSets-", set);
        let mut elements = Vec::new();
        for (number, tag) in tags.iter().enumerate() {
            let tag_id = format!("{id}/Tags-{}", number + 1);
            w.name("Tag", &format!("{set}/{tag}"), &tag_id);
            elements.push(json!({ "Id": tag_id, "Name": tag, "Color": "#36A766", "Description": "",
                "SortOrder": number }));
        }
        let columns = [("Id", id.into()), ("Name", set.into()), ("SortOrder", Value::Int(order as i64))];
        w.put("TagSet", &columns, &json!({ "Description": "", "Tags": elements }))?;
    }
    Ok(())
}

/// A lifecycle; each phase has environments it deploys to by itself, and others that are chosen.
fn lifecycle(w: &mut Writer<'_>, name: &str, phases: &[(&str, &[&str], &[&str])]) -> Result<(), DemoError> {
    let id = w.next_named("Lifecycle", "Lifecycle", "Lifecycles-", name);
    let retention = json!({ "Unit": "Days", "QuantityToKeep": 30, "ShouldKeepForever": false });
    let phases: Vec<Json> = phases
        .iter()
        .map(|(phase, automatic, optional)| {
            json!({ "Id": w.own_guid(&format!("phase {name} {phase}")), "Name": phase,
                "AutomaticDeploymentTargets": w.list("Environment", automatic),
                "OptionalDeploymentTargets": w.list("Environment", optional),
                "MinimumEnvironmentsBeforePromotion": 0, "IsOptionalPhase": false,
                "ReleaseRetentionPolicy": null, "TentacleRetentionPolicy": null })
        })
        .collect();
    let body = json!({ "Description": null, "Phases": phases, "ReleaseRetentionPolicy": retention,
        "TentacleRetentionPolicy": retention });
    w.put("Lifecycle", &[("Id", id.into()), ("Name", name.into())], &body)
}

fn accounts(w: &mut Writer<'_>) -> Result<(), DemoError> {
    let azure = w.guid("azure client");
    let tenant = w.guid("azure tenant");
    let subscription = w.own_guid("azure subscription");
    let mut accounts = vec![
        (
            "Azure Shop",
            "AzureServicePrincipal",
            vec!["Production", "Staging"],
            json!({ "SubscriptionNumber": subscription, "ClientId": azure, "TenantId": tenant,
                "Password": w.secret("azure", false)?, "AzureEnvironment": "" }),
        ),
        (
            "AWS Media",
            "AmazonWebServicesAccount",
            vec![],
            json!({ "AccessKey": "FICTIONALACCESSKEY01", "SecretKey": w.secret("aws", false)? }),
        ),
        (
            "Deploy User",
            "UsernamePassword",
            vec![],
            json!({ "Username": "heron\\deploy", "Password": w.secret("deploy-user", true)? }),
        ),
        (
            "Linux Hosts",
            "SshKeyPair",
            vec!["Production"],
            json!({ "Username": "deploy", "PrivateKeyFile": w.secret("ssh-key", false)?,
                "PrivateKeyPassphrase": w.secret("ssh-passphrase", false)? }),
        ),
        ("Kube Token", "Token", vec![], json!({ "Token": w.secret("kube-token", false)? })),
    ];
    if w.is_build() {
        accounts.push((
            "Google Analytics Export",
            "GoogleCloudAccount",
            vec!["Development", "Production"],
            json!({ "JsonKey": w.secret("google-key", false)? }),
        ));
    } else {
        accounts.reverse();
    }
    for (name, account_type, environments, mut body) in accounts {
        let prefix = format!("{}-", account_type.to_lowercase());
        // Old accounts have ids made of their names.
        let id = if name == "Kube Token" {
            let id = format!("{prefix}kube-token");
            w.name("Account", name, &id);
            id
        } else {
            w.next_named("Account", "Account", "Accounts-", name)
        };
        let environments = w.list("Environment", &environments);
        let columns = [
            ("Id", id.into()),
            ("Name", name.into()),
            ("AccountType", account_type.into()),
            ("EnvironmentIds", w.pipe(&environments)),
            ("TenantIds", w.pipe(&[])),
            ("TenantTags", w.pipe(&[])),
        ];
        if let Some(members) = body.as_object_mut() {
            members.insert("Description".into(), json!(""));
            members.insert("TenantedDeploymentParticipation".into(), json!("Untenanted"));
        }
        w.put("Account", &columns, &body)?;
    }
    Ok(())
}

/// A certificate that was replaced keeps its name, and leads to the one in its place.
fn certificates(w: &mut Writer<'_>) -> Result<(), DemoError> {
    let new = w.next_named("Certificate", "Certificate", "Certificates-", "shop.heron.example");
    let mut all = vec![(new.clone(), "shop.heron.example", "2027", None, None)];
    if w.is_build() {
        let old = w.next("Certificate", "Certificates-");
        let archived = "2025-05-02T08:00:00+00:00";
        all.push((old, "shop.heron.example", "2025", Some(archived), Some(new)));
    }
    let client = w.next_named("Certificate", "Certificate", "Certificates-", "Service Client");
    all.push((client, "Service Client", "2028", None, None));
    for (id, name, year, archived, replaced_by) in all {
        let label = format!("{name} {year}");
        let columns = [
            ("Id", id.into()),
            ("Name", name.into()),
            ("Thumbprint", w.thumbprint(&label).into()),
            ("NotAfter", format!("{year}-06-30T23:59:59+00:00").into()),
            ("Subject", format!("CN={name}, O=Heron Books (fiction)").into()),
            ("EnvironmentIds", w.pipe(&w.list("Environment", &["Production"]))),
            ("TenantIds", w.pipe(&[])),
            ("TenantTags", w.pipe(&[])),
            ("Archived", archived.map_or(Value::Null, Value::from)),
            ("Created", "2024-06-30T08:00:00+00:00".into()),
        ];
        let body = json!({ "Notes": "", "CertificateDataFormat": "Pkcs12", "HasPrivateKey": true,
            "CertificateData": w.secret(&format!("pkcs12 {label}"), true)?,
            "Password": w.secret(&format!("pkcs12-password {label}"), true)?,
            "ReplacedBy": replaced_by, "TenantedDeploymentParticipation": "Untenanted" });
        w.put("Certificate", &columns, &body)?;
    }
    Ok(())
}

fn feed(
    w: &mut Writer<'_>,
    id: &str,
    name: &str,
    feed_type: &str,
    uri: &str,
    body: Json,
) -> Result<(), DemoError> {
    let columns =
        [("Id", id.into()), ("Name", name.into()), ("FeedUri", uri.into()), ("FeedType", feed_type.into())];
    w.put("Feed", &columns, &body)
}

fn feeds(w: &mut Writer<'_>) -> Result<(), DemoError> {
    w.name("Feed", "Octopus Server (built-in)", "feeds-builtin");
    feed(w, "feeds-builtin", "Octopus Server (built-in)", "BuiltIn", "", json!({ "IsEnabled": true }))?;
    let mut feeds = vec![
        ("Heron Packages", "NuGet", "https://packages.heron.example/v3/index.json"),
        ("Container Registry", "Docker", "https://registry.heron.example"),
        ("Charts", "Helm", "https://charts.heron.example"),
    ];
    if w.is_build() {
        feeds.push(("Source Releases", "GitHub", "https://api.heron.example/git"));
    } else {
        feeds.reverse();
    }
    for (name, feed_type, uri) in feeds {
        let id = w.next_named("Feed", "Feed", "Feeds-", name);
        let password = w.secret(&format!("feed {name}"), false)?;
        let body = json!({ "Username": "reader", "Password": password, "DownloadAttempts": 5,
            "DownloadRetryBackoffSeconds": 10, "PackageAcquisitionLocationOptions": ["Server"] });
        feed(w, &id, name, feed_type, uri, body)?;
    }
    let id = w.next_named("GitCredential", "GitCredential", "GitCredentials-", "Config Repository");
    let body = json!({ "Description": "", "Details": { "$type": "UsernamePassword", "Username": "heron-bot",
        "Password": w.secret("git", false)? } });
    w.put("GitCredential", &[("Id", id.into()), ("Name", "Config Repository".into())], &body)
}

fn workers(w: &mut Writer<'_>) -> Result<(), DemoError> {
    let pools: &[(&str, bool)] = w.pick(
        &[("Default Worker Pool", true), ("Linux Workers", false), ("Windows Workers", false)],
        &[("Windows Workers", false), ("Default Worker Pool", true), ("Linux Workers", false)],
    );
    for (order, (name, default)) in pools.iter().enumerate() {
        let id = w.next_named("WorkerPool", "WorkerPool", "WorkerPools-", name);
        let columns = [
            ("Id", id.into()),
            ("Name", (*name).into()),
            ("SortOrder", Value::Int(order as i64)),
            ("IsDefault", (*default).into()),
        ];
        w.put("WorkerPool", &columns, &json!({ "Description": "", "WorkerPoolType": "StaticWorkerPool" }))?;
    }
    let proxy = w.next_named("Proxy", "Proxy", "Proxies-", "Office Proxy");
    let body = json!({ "Host": "proxy.heron.example", "Port": 3128, "Username": "octopus", "ProxyType": "HTTP",
        "Password": w.secret("proxy", false)? });
    w.put("Proxy", &[("Id", proxy.into()), ("Name", "Office Proxy".into())], &body)?;
    let names = ["Default Machine Policy", "Patient Policy"];
    for name in w.pick(names, [names[1], names[0]]) {
        let id = w.next_named("MachinePolicy", "MachinePolicy", "MachinePolicies-", name);
        let account = if name == "Patient Policy" { w.find("Account", "Deploy User") } else { None };
        let columns =
            [("Id", id.into()), ("Name", name.into()), ("IsDefault", (name != "Patient Policy").into())];
        let body = json!({ "Description": "", "ConnectionConnectTimeout": "00:01:00",
            "MachineHealthCheckPolicy": { "HealthCheckInterval": "01:00:00", "HealthCheckType": "RunScript" },
            "MachineUpdatePolicy": { "CalamariUpdateBehavior": "UpdateOnDeployment",
                "TentacleUpdateBehavior": "NeverUpdate", "TentacleUpdateAccountId": account } });
        w.put("MachinePolicy", &columns, &body)?;
    }
    for number in 1..=3 {
        let name = format!("worker-{number}");
        let id = w.next("Worker", "Workers-");
        let pool = if number == 3 { "Windows Workers" } else { "Linux Workers" };
        let columns = [
            ("Id", id.into()),
            ("Name", name.as_str().into()),
            ("IsDisabled", false.into()),
            ("WorkerPoolIds", w.pipe(&w.list("WorkerPool", &[pool]))),
            ("MachinePolicyId", w.of("MachinePolicy", "Default Machine Policy")?.into()),
            ("Thumbprint", w.thumbprint(&name).into()),
            ("CommunicationStyle", "TentaclePassive".into()),
        ];
        let body = json!({ "Endpoint": listening(w, &name, None) });
        w.put("Worker", &columns, &body)?;
    }
    Ok(())
}

fn listening(w: &Writer<'_>, name: &str, proxy: Option<String>) -> Json {
    json!({ "$type": "Octopus.Core.Model.Environments.Endpoints.ListeningTentacleEndpoint, Octopus.Core",
        "ProxyId": proxy, "Thumbprint": w.thumbprint(name), "Uri": format!("https://{name}.heron.example:10933/"),
        "UpgradeLocked": false })
}

fn machines(w: &mut Writer<'_>) -> Result<(), DemoError> {
    let environments: Vec<&str> = ["Development", "Test", "Staging", "Production", "Disaster Recovery"]
        .into_iter()
        .filter(|name| w.find("Environment", name).is_some())
        .collect();
    for environment in environments {
        let short: String = environment.chars().take(4).collect::<String>().to_lowercase();
        for role in ["web", "app", "db"] {
            let name = format!("{short}-{role}-1");
            let endpoint = listening(w, &name, w.find("Proxy", "Office Proxy").filter(|_| role == "db"));
            machine(w, &name, &[role, "windows"], &[environment], "TentaclePassive", endpoint)?;
        }
    }
    let ssh = json!({ "$type": "Octopus.Core.Model.Environments.Endpoints.SshEndpoint, Octopus.Core",
        "AccountId": w.of("Account", "Linux Hosts")?, "Host": "batch.heron.example", "Port": 22,
        "Fingerprint": "fictional", "ProxyId": null, "DotNetCorePlatform": "linux-x64" });
    machine(w, "batch-1", &["batch"], &["Production", "Staging"], "Ssh", ssh)?;
    let kubernetes = json!({ "$type":
        "Octopus.Extensibility.Kubernetes.KubernetesEndpoint, Octopus.Extensibility",
        "ClusterUrl": "https://kube.heron.example", "Namespace": "shop",
        "ClusterCertificate": w.find("Certificate", "Service Client"),
        "DefaultWorkerPoolId": w.of("WorkerPool", "Linux Workers")?,
        "Container": { "FeedId": w.of("Feed", "Container Registry")?, "Image": "heron/kubectl:1" },
        "Authentication": { "$type": "KubernetesStandardAuthentication",
            "AccountId": w.of("Account", "Kube Token")?, "AuthenticationType": "KubernetesStandard" } });
    machine(w, "kube-shop", &["kubernetes"], &["Production"], "Kubernetes", kubernetes)?;
    let drop = json!({ "$type":
        "Octopus.Core.Model.Environments.Endpoints.OfflineDropEndpoint, Octopus.Core",
        "ApplicationsDirectory": "C:\\Applications", "Destination": { "DestinationType": "Artifact" },
        "SensitiveVariablesEncryptionPassword": w.secret("offline-drop", false)? });
    machine(w, "vault-drop", &["vault"], &["Disaster Recovery"], "OfflineDrop", drop)
}

fn machine(
    w: &mut Writer<'_>,
    name: &str,
    roles: &[&str],
    environments: &[&str],
    style: &str,
    endpoint: Json,
) -> Result<(), DemoError> {
    let id = w.next_named("Machine", "Machine", "Machines-", name);
    let tags = if roles.contains(&"web") { w.list("Tag", &["Region/Europe"]) } else { Vec::new() };
    let participation = if tags.is_empty() { "Untenanted" } else { "TenantedOrUntenanted" };
    let roles: Vec<String> = roles.iter().map(|role| (*role).to_owned()).collect();
    let policy = if style == "Ssh" { "Patient Policy" } else { "Default Machine Policy" };
    let columns = [
        ("Id", id.into()),
        ("Name", name.into()),
        ("IsDisabled", false.into()),
        ("Roles", format!("|{}|", roles.join("|")).into()),
        ("EnvironmentIds", w.pipe(&w.list("Environment", environments))),
        ("MachinePolicyId", w.of("MachinePolicy", policy)?.into()),
        ("TenantIds", w.pipe(&[])),
        ("TenantTags", w.pipe(&tags)),
        ("Thumbprint", if style == "TentaclePassive" { w.thumbprint(name).into() } else { Value::Null }),
        ("CommunicationStyle", style.into()),
    ];
    w.put(
        "Machine",
        &columns,
        &json!({ "Endpoint": endpoint, "TenantedDeploymentParticipation": participation }),
    )
}
