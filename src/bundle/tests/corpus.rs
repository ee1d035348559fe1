//! Documents for tests: small ones that hold everything a document can, and a large corpus in the shape of a
//! real server: many copies of few templates, each with ids of its own.

use crate::crypto::SecretBytes;
use crate::document::{Document, Key, KindName, Map, Reference, SecretId, Value};

/// A small generator of numbers, the same on every machine.
pub struct Dice(pub u64);

impl Dice {
    pub fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    pub fn below(&mut self, most: u64) -> u64 {
        (self.next() >> 11) % most
    }

    pub fn guid(&mut self) -> String {
        let (a, b) = (self.next(), self.next());
        format!(
            "{:08x}-{:04x}-{:04x}-{:04x}-{:012x}",
            a >> 32,
            (a >> 16) & 0xffff,
            a & 0xffff,
            b >> 48,
            b & 0xffff_ffff_ffff
        )
    }

    fn word(&mut self) -> &'static str {
        WORDS[self.below(WORDS.len() as u64) as usize]
    }

    fn sentence(&mut self, words: u64) -> String {
        (0..words).map(|_| self.word()).collect::<Vec<_>>().join(" ")
    }
}

const WORDS: [&str; 48] = [
    "deploy",
    "package",
    "restart",
    "service",
    "the",
    "website",
    "database",
    "migrate",
    "schema",
    "health",
    "check",
    "notify",
    "team",
    "channel",
    "backup",
    "before",
    "after",
    "release",
    "copy",
    "artifact",
    "environment",
    "variable",
    "configure",
    "certificate",
    "install",
    "queue",
    "worker",
    "node",
    "cluster",
    "balancer",
    "warm",
    "cache",
    "purge",
    "index",
    "rollback",
    "approve",
    "manual",
    "step",
    "script",
    "run",
    "powershell",
    "bash",
    "terraform",
    "apply",
    "helm",
    "upgrade",
    "namespace",
    "secret",
];

pub fn map(pairs: Vec<(&str, Value)>) -> Value {
    Value::Map(Map::from_pairs(pairs.into_iter().map(|(n, v)| (n.to_owned(), v)).collect()).unwrap())
}

pub fn columns(pairs: Vec<(&str, Value)>) -> Map {
    Map::from_pairs(pairs.into_iter().map(|(n, v)| (n.to_owned(), v)).collect()).unwrap()
}

pub fn reference(kind: &str, key: Key) -> Value {
    Value::Ref(Box::new(Reference { kind: KindName::new(kind), key }))
}

pub fn secret(text: &str) -> Option<SecretBytes> {
    Some(SecretBytes::from(text.to_owned()))
}

/// A document, its source id and the values of its secrets.
pub struct Item {
    pub document: Document,
    pub id: Value,
    pub secrets: Vec<Option<String>>,
}

impl Item {
    pub fn values(&self) -> Vec<Option<SecretBytes>> {
        self.secrets.iter().map(|s| s.as_deref().and_then(secret)).collect()
    }

    pub fn folded(&self) -> String {
        self.document.key.folded(Default::default())
    }
}

/// A few documents of three kinds, with secrets, references and odd values.
pub fn small() -> Vec<Item> {
    let mut items = Vec::new();
    for n in 0..12 {
        let name = format!("Web {n}");
        items.push(Item {
            document: Document {
                kind: KindName::new("Project"),
                key: Key::name(&name),
                columns: columns(vec![
                    ("Name", name.as_str().into()),
                    ("Raw", Value::Bytes(vec![n as u8; 9])),
                ]),
                body: Some(map(vec![("Description", Value::Null), ("Number", Value::Number("1.25".into()))])),
            },
            id: Value::Text(format!("Projects-{n}")),
            secrets: Vec::new(),
        });
        items.push(Item {
            document: Document {
                kind: KindName::new("VariableSet"),
                key: Key::new(vec![reference("Project", Key::name(&name))]).unwrap(),
                columns: columns(vec![("Password", Value::Secret(SecretId::UNKNOWN))]),
                body: Some(map(vec![(
                    "Variables",
                    Value::List(vec![
                        map(vec![("Name", "a".into()), ("Value", Value::Secret(SecretId::UNKNOWN))]),
                        map(vec![("Name", "it's".into()), ("Value", Value::Secret(SecretId::UNKNOWN))]),
                    ]),
                )])),
            },
            id: Value::Int(n),
            secrets: vec![Some(format!("password {n}")), None, Some(String::new())],
        });
    }
    items.push(Item {
        document: Document {
            kind: KindName::new("Certificate"),
            key: Key::new(vec![Value::Null, Value::Int(-7), Value::from("é\n\"\\")]).unwrap(),
            columns: Map::new(),
            body: None,
        },
        id: Value::Null,
        secrets: Vec::new(),
    });
    items
}

struct Template {
    name: String,
    steps: Vec<(String, Vec<(String, String)>)>,
}

/// A server of `scale` × 100 documents in the proportions of the measurements: half of them deployment
/// processes cloned from templates. Calls back instead of holding them.
pub fn server(scale: u64, see: &mut dyn FnMut(Item)) {
    let mut dice = Dice(0x5ea1_11f7);
    let templates: Vec<Template> = (0..250).map(|_| template(&mut dice)).collect();
    let space = || reference("Space", Key::name("Default"));
    for n in 0..14 * scale {
        see(project(&mut dice, n));
    }
    for n in 0..50 * scale {
        let template = &templates[dice.below(250) as usize];
        let owner = Key::new(vec![space(), Value::from(project_name(n % (14 * scale)))]).unwrap();
        see(process(&mut dice, template, owner, n));
    }
    for n in 0..18 * scale {
        let owner = Key::new(vec![space(), Value::from(project_name(n % (14 * scale)))]).unwrap();
        see(variables(&mut dice, owner, n));
    }
    for n in 0..10 * scale {
        let name = format!("vm-{}-{n:05}", dice.word());
        let body = map(vec![
            ("Thumbprint", dice.guid().replace('-', "").to_uppercase().into()),
            ("Uri", format!("https://{name}.example.test:10933/").into()),
            ("Roles", Value::List((0..3).map(|_| dice.word().into()).collect())),
            ("HealthStatus", "Healthy".into()),
            (
                "Endpoint",
                map(vec![("CommunicationStyle", "TentaclePassive".into()), ("ProxyId", Value::Null)]),
            ),
        ]);
        see(item("Machine", vec![space(), name.into()], Some(body), format!("Machines-{n}")));
    }
    for n in 0..8 * scale {
        let name = format!("{} {} {n}", dice.word(), dice.word());
        let body = map(vec![("Tags", Value::List(vec![dice.word().into()])), ("Logo", Value::Null)]);
        see(item("Tenant", vec![space(), name.into()], Some(body), format!("Tenants-{n}")));
    }
}

fn project_name(n: u64) -> String {
    let mut dice = Dice(n + 77);
    dice.next();
    format!("{} {} {n}", dice.word(), dice.word())
}

fn item(kind: &str, key: Vec<Value>, body: Option<Value>, id: String) -> Item {
    let name = key.last().cloned().unwrap();
    Item {
        document: Document {
            kind: KindName::new(kind),
            key: Key::new(key).unwrap(),
            columns: columns(vec![
                ("Name", name),
                ("SpaceId", reference("Space", Key::name("Default"))),
                ("DataVersion", Value::Null),
            ]),
            body,
        },
        id: id.into(),
        secrets: Vec::new(),
    }
}

fn project(dice: &mut Dice, n: u64) -> Item {
    let body = map(vec![
        ("Description", dice.sentence(12).into()),
        ("IsDisabled", false.into()),
        ("AutoCreateRelease", (dice.below(2) == 0).into()),
        (
            "VersioningStrategy",
            map(vec![("Template", "#{Octopus.Version.LastMajor}.#{Octopus.Version.NextMinor}".into())]),
        ),
        ("LifecycleId", reference("Lifecycle", Key::name(&format!("Lifecycle {}", dice.below(20))))),
        ("ProjectGroupId", reference("ProjectGroup", Key::name(&format!("Group {}", dice.below(200))))),
        (
            "IncludedLibraryVariableSetIds",
            Value::List(
                (0..dice.below(5))
                    .map(|_| {
                        reference("LibraryVariableSet", Key::name(&format!("Library {}", dice.below(100))))
                    })
                    .collect(),
            ),
        ),
        ("Slug", format!("slug-{}-{n}", dice.word()).into()),
    ]);
    let space = reference("Space", Key::name("Default"));
    item("Project", vec![space, project_name(n).into()], Some(body), format!("Projects-{n}"))
}

fn template(dice: &mut Dice) -> Template {
    let steps = 2 + dice.below(5);
    let step = |dice: &mut Dice| {
        let properties = (0..4 + dice.below(6))
            .map(|n| {
                let words = 3 + dice.below(14);
                let name = format!("Octopus.Action.{}.{}{n}", dice.word(), dice.word());
                (name, dice.sentence(words))
            })
            .collect();
        (dice.sentence(3), properties)
    };
    Template { name: dice.sentence(4), steps: (0..steps).map(|_| step(dice)).collect() }
}

fn step(dice: &mut Dice, name: &str, properties: &[(String, String)], edit: bool) -> Value {
    let mut properties: Vec<(String, Value)> =
        properties.iter().map(|(n, v)| (n.clone(), v.as_str().into())).collect();
    properties.dedup_by(|a, b| a.0 == b.0);
    if edit && let Some(first) = properties.first_mut() {
        first.1 = dice.sentence(6).into();
    }
    let properties: std::collections::BTreeMap<String, Value> = properties.into_iter().collect();
    let action = map(vec![
        ("Id", dice.guid().into()),
        ("Name", name.into()),
        ("ActionType", "Octopus.Script".into()),
        ("IsDisabled", false.into()),
        ("Environments", Value::List(vec![reference("Environment", Key::name("Production"))])),
        ("Properties", Value::Map(Map::from_pairs(properties.into_iter().collect()).unwrap())),
    ]);
    map(vec![
        ("Id", dice.guid().into()),
        ("Name", name.into()),
        ("Condition", "Success".into()),
        ("StartTrigger", "StartAfterPrevious".into()),
        ("PackageRequirement", "LetOctopusDecide".into()),
        ("Actions", Value::List(vec![action])),
    ])
}

fn process(dice: &mut Dice, template: &Template, owner: Key, n: u64) -> Item {
    let change = dice.below(10);
    let edited =
        if (5..8).contains(&change) { dice.below(template.steps.len() as u64) as usize } else { usize::MAX };
    let mut steps: Vec<Value> = template
        .steps
        .iter()
        .enumerate()
        .map(|(index, (name, properties))| step(dice, name, properties, index == edited))
        .collect();
    if change >= 8 {
        let (name, words) = (dice.sentence(3), dice.sentence(9));
        steps.push(step(dice, &name, &[("Octopus.Action.Script.ScriptBody".to_owned(), words)], false));
    }
    let body = map(vec![
        ("Description", template.name.as_str().into()),
        ("LastSnapshotId", Value::Null),
        ("Steps", Value::List(steps)),
        ("Version", Value::Int(dice.below(40) as i64)),
    ]);
    let mut key = vec![reference("Project", owner)];
    key.push(Value::Int(n as i64 / 7));
    let key = vec![key.remove(0), format!("process {}", n).into()];
    item("DeploymentProcess", key, Some(body), format!("deploymentprocess-Projects-{n}"))
}

fn variables(dice: &mut Dice, owner: Key, n: u64) -> Item {
    let mut secrets = Vec::new();
    let list = (0..2 + dice.below(6))
        .map(|v| {
            let hidden = dice.below(100) < 12;
            let value = match hidden {
                true => {
                    secrets.push(Some(dice.guid()));
                    Value::Secret(SecretId::UNKNOWN)
                }
                false => dice.sentence(3).into(),
            };
            map(vec![
                ("Id", dice.guid().into()),
                ("Name", format!("{}.{}{v}", dice.word(), dice.word()).into()),
                ("Value", value),
                ("Type", if hidden { "Sensitive".into() } else { "String".into() }),
                ("IsEditable", true.into()),
                (
                    "Scope",
                    map(vec![(
                        "Environment",
                        Value::List(vec![reference("Environment", Key::name("Production"))]),
                    )]),
                ),
            ])
        })
        .collect();
    let body = map(vec![("Variables", Value::List(list)), ("Version", Value::Int(dice.below(90) as i64))]);
    let key = vec![reference("Project", owner), format!("set {n}").into()];
    let mut item = item("VariableSet", key, Some(body), format!("variableset-Projects-{n}"));
    item.secrets = secrets;
    item
}
