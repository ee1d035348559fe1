//! Bundles written by hand, of the small product of the tests.

use super::*;

pub fn shop() -> Model {
    Model::parse(include_str!("../fixtures/shop.toml"), "shop.toml").unwrap()
}

pub struct Doc {
    pub kind: &'static str,
    pub key: Key,
    pub id: Value,
    pub reason: Reason,
    pub columns: Vec<(&'static str, Value)>,
    pub body: Vec<(&'static str, Value)>,
    pub secrets: Vec<Option<&'static str>>,
}

pub fn doc(kind: &'static str, name: &str, id: &str) -> Doc {
    Doc {
        kind,
        key: Key::name(name),
        id: Value::from(id),
        reason: Reason::All,
        columns: vec![("Name", Value::from(name))],
        body: Vec::new(),
        secrets: Vec::new(),
    }
}

impl Doc {
    pub fn column(mut self, name: &'static str, value: Value) -> Self {
        self.columns.push((name, value));
        self
    }

    pub fn body(mut self, name: &'static str, value: Value) -> Self {
        self.body.push((name, value));
        self
    }

    pub fn secret(self, value: Option<&'static str>) -> Self {
        let mut doc = self.body("Password", Value::Secret(SecretId::UNKNOWN));
        doc.secrets.push(value);
        doc
    }

    pub fn reason(mut self, reason: Reason) -> Self {
        self.reason = reason;
        self
    }

    pub fn document(&self) -> Document {
        let map = |pairs: &[(&'static str, Value)]| {
            Map::from_pairs(pairs.iter().map(|(n, v)| ((*n).to_owned(), v.clone())).collect()).unwrap()
        };
        Document {
            kind: KindName::new(self.kind),
            key: self.key.clone(),
            columns: map(&self.columns),
            body: Some(Value::Map(map(&self.body))),
        }
    }
}

pub fn reference(kind: &str, name: &str) -> Value {
    Value::Ref(Box::new(Reference { kind: KindName::new(kind), key: Key::name(name) }))
}

pub fn dangling(kind: &str, id: &str) -> Value {
    Value::Dangling(Box::new(Dangling { kind: KindName::new(kind), id: Value::from(id) }))
}

pub fn header_of(version: Option<&str>) -> Header {
    let model = shop();
    Header::new(model.name, model.digest, version.map(str::to_owned))
}

pub fn written(path: PathBuf, header: Header, docs: Vec<Doc>, notices: Vec<Notice>) -> PathBuf {
    let valued = docs.iter().any(|doc| doc.secrets.iter().any(Option::is_some));
    let options = if valued { sealed() } else { WriterOptions::default() };
    let mut writer = Writer::create(&path, header, options).unwrap();
    for doc in docs {
        let secrets: Vec<_> =
            doc.secrets.iter().map(|value| value.map(|v| SecretBytes::from(v.to_owned()))).collect();
        let folded = doc.key.folded(shop().collation);
        writer.add(&doc.document(), &folded, &doc.id, &doc.reason, &secrets).unwrap();
    }
    notices.into_iter().for_each(|notice| writer.notice(notice).unwrap());
    writer.finish(&Silent).unwrap();
    path
}

pub fn bundle_of(folder: &Path, name: &str, docs: Vec<Doc>) -> PathBuf {
    written(folder.join(name), header_of(Some("1.0")), docs, Vec::new())
}

pub fn document(bundle: &Bundle, kind: &str, name: &str) -> Document {
    let entry = bundle.find(kind, &Key::name(name)).unwrap().unwrap_or_else(|| panic!("no {kind} {name}"));
    bundle.document(entry.number).unwrap()
}

pub fn id_of(bundle: &Bundle, kind: &str, name: &str) -> Value {
    bundle.find(kind, &Key::name(name)).unwrap().unwrap().id
}

pub fn told(conflict: &Conflict) -> (String, Vec<Vec<usize>>, Vec<String>) {
    let places = |change: &sealift::plan::Change| {
        let secret = matches!(change.changed, Changed::Secret);
        format!("{}{}", change.place, if secret { " (secret)" } else { "" })
    };
    (
        format!("{} {}", conflict.kind, conflict.key),
        conflict.versions.iter().map(|version| version.inputs.clone()).collect(),
        conflict.versions.iter().flat_map(|version| version.changes.iter().map(places)).collect(),
    )
}
