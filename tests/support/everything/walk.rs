//! The walk: a server as names and plain texts, without any id.
//!
//! Reads the file by SQL, resolves every id by the rows it leads to, decrypts every secret. It knows
//! [`super::table`] and nothing of the model, the translation or the plan.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::path::Path;

use rusqlite::Connection;
use sealift::crypto::MasterKey;
use serde_json::{Map, Value as Json, json};

use super::compare::Difference;
use super::json_place::{Place, flatten};
use super::references::{DERIVED, JOINED, LOCAL, LOCAL_WITHOUT_HISTORY, OWN_GUIDS, SECRETS};
use super::rows::Sql;
use super::table::{CONTROLS, DOCUMENTS, Form, LINKS, PAST, Rule, STAY, rules};

/// What leads nowhere on purpose: an environment that is long gone, and names where others have ids.
const LEAD_NOWHERE: &[&str] = &["Environments-999001", "production-slug"];
/// Ids that mean the built-in feed, and that no row has here.
const WITHOUT_ROW: &[&str] = &["feeds-builtin-releases", "octopus-server-built-in"];

/// How a reference looks in a description.
const ARROW: &str = "\u{2192} ";
/// How one that leads nowhere looks.
const NOWHERE: &str = "\u{2192} nothing: ";

/// A server's rows, in memory: each is an object of its columns, with its JSON as the member `$`.
pub struct Snapshot {
    tables: BTreeMap<String, Vec<Json>>,
    ids: HashMap<(String, String), usize>,
    /// What rows are called, as far as somebody asked.
    names: RefCell<HashMap<(String, String), String>>,
    rules: HashMap<&'static str, Vec<(Rule, Place)>>,
}

/// An id at a place that holds references.
#[derive(Debug, Clone)]
pub struct Found {
    pub place: String,
    pub id: String,
    pub name: Option<String>,
}

/// One document.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Doc {
    pub table: String,
    /// What is overwritten: every value by its place.
    pub lines: BTreeMap<String, String>,
    /// What is joined: place, what makes an element the same, and the element.
    pub joined: Vec<(String, String, String)>,
    /// What is its server's own.
    pub local: BTreeMap<String, String>,
}

/// A server without ids.
#[derive(Debug, Clone, Default)]
pub struct Description {
    pub docs: BTreeMap<String, Doc>,
    /// What is wrong with the server by itself.
    pub faults: Vec<Difference>,
    /// Every id of a row or a tag.
    pub ids: HashSet<String>,
    /// Every id at a place of references, and the document it is in.
    pub found: Vec<(String, Found)>,
    /// The rows no import may touch, as they are.
    pub stay: BTreeMap<String, Vec<String>>,
}

pub fn text<'j>(row: &'j Json, column: &str) -> &'j str {
    row.get(column).and_then(Json::as_str).unwrap_or_default()
}

pub fn pieces(text: &str, by: char) -> Vec<String> {
    text.split(by).map(str::trim).filter(|p| !p.is_empty()).map(str::to_owned).collect()
}

/// Says whether a row is a snapshot.
pub fn frozen(row: &Json) -> bool {
    row.get("IsFrozen").and_then(Json::as_i64) == Some(1)
}

/// A time of the tests' servers, however it is spelled: a server keeps the moment and not the text.
fn moment(text: &str) -> String {
    let clock = text.replacen('T', " ", 1);
    let clock = clock.trim_end_matches("+00:00").trim_end();
    clock.strip_suffix(".0000000").unwrap_or(clock).to_owned()
}

impl Snapshot {
    pub fn open(path: &Path) -> Self {
        Self::load(&Connection::open(path).unwrap())
    }

    pub fn load(db: &Connection) -> Self {
        let mut names = db.prepare("SELECT name FROM sqlite_schema WHERE type = 'table'").unwrap();
        let names: Vec<String> = names.query_map([], |r| r.get(0)).unwrap().map(Result::unwrap).collect();
        let mut snapshot = Self {
            tables: BTreeMap::new(),
            ids: HashMap::new(),
            names: RefCell::default(),
            rules: HashMap::new(),
        };
        for rule in rules() {
            let place = Place::parse(&rule.1);
            snapshot.rules.entry(rule.0).or_default().push((rule, place));
        }
        for table in names {
            let mut query = db.prepare(&format!("SELECT * FROM [{table}]")).unwrap();
            let columns: Vec<String> = query.column_names().map(str::to_owned).collect();
            let mut times =
                db.prepare("SELECT name FROM pragma_table_info(?1) WHERE type LIKE 'datetime%'").unwrap();
            let times: Vec<String> =
                times.query_map([&table], |r| r.get(0)).unwrap().map(Result::unwrap).collect();
            let mut rows = query.query([]).unwrap();
            while let Some(row) = rows.next().unwrap() {
                let mut map = Map::new();
                for (index, column) in columns.iter().enumerate() {
                    let value = match row.get::<_, Sql>(index).unwrap() {
                        Sql::Null => Json::Null,
                        Sql::Integer(number) => json!(number),
                        Sql::Real(number) => json!(number),
                        Sql::Text(text) if column == "JSON" => {
                            map.insert("$".to_owned(), serde_json::from_str(&text).unwrap());
                            continue;
                        }
                        Sql::Text(text) if times.contains(column) => json!(moment(&text)),
                        Sql::Text(text) => json!(text),
                        Sql::Blob(bytes) => json!(format!("{bytes:?}")),
                    };
                    map.insert(column.clone(), value);
                }
                let rows = snapshot.tables.entry(table.clone()).or_default();
                if let Some(id) = map.get("Id").and_then(Json::as_str) {
                    snapshot.ids.insert((table.clone(), id.to_lowercase()), rows.len());
                }
                rows.push(Json::Object(map));
            }
        }
        snapshot
    }

    /// The rows of a table; none where there is no such table.
    pub fn rows(&self, table: &str) -> &[Json] {
        self.tables.get(table).map_or(&[], Vec::as_slice)
    }

    fn row(&self, table: &str, id: &str) -> Option<&Json> {
        let index = self.ids.get(&(table.to_owned(), id.to_lowercase()))?;
        Some(&self.tables[table][*index])
    }

    /// What an id leads to, by name.
    fn resolve(&self, to: &[&str], id: &str) -> Option<String> {
        let built_in = |id: &str| {
            WITHOUT_ROW.contains(&id)
                || self.row("Feed", id).is_some_and(|row| text(row, "FeedType") == "BuiltIn")
        };
        if to.contains(&"Feed") && built_in(id) {
            return Some("Feed: the built-in one".to_owned());
        }
        to.iter().find_map(|table| {
            if *table == "Tag" {
                let set = self.row("TagSet", id.split_once('/')?.0)?;
                let tags = set["$"]["Tags"].as_array()?;
                let tag = tags.iter().find(|tag| text(tag, "Id").eq_ignore_ascii_case(id))?;
                return Some(format!(
                    "Tag: {} / {}",
                    self.name("TagSet", set),
                    text(tag, "Name").to_lowercase()
                ));
            }
            let known = ((*table).to_owned(), id.to_lowercase());
            if let Some(name) = self.names.borrow().get(&known) {
                return Some(name.clone());
            }
            let name = self.name(table, self.row(table, id)?);
            self.names.borrow_mut().insert(known, name.clone());
            Some(name)
        })
    }

    /// What a row is called, whatever its id.
    fn name(&self, table: &str, row: &Json) -> String {
        let parts = DOCUMENTS.iter().chain(PAST).find(|(name, _)| *name == table).unwrap().1;
        let mut path = Vec::new();
        for part in parts {
            if let Some(pattern) = part.strip_prefix('@') {
                let (prefix, owner) = pattern.split_once('-').unwrap();
                let composed = format!("{prefix}-{}", text(row, owner));
                let id = text(row, "Id");
                path.push(match id.strip_prefix(&composed) {
                    Some(rest) => rest.to_owned(),
                    None => format!("WRONG ID {id}"),
                });
                continue;
            }
            let (column, to) = part.split_once('>').unwrap_or((part, ""));
            let value = match row.get(column) {
                None => continue,
                Some(Json::String(id)) if !to.is_empty() => {
                    let to: Vec<&str> = to.split(',').collect();
                    self.resolve(&to, id).map_or(format!("NOTHING {id}"), |name| format!("[{name}]"))
                }
                Some(Json::String(text)) => text.to_lowercase(),
                Some(Json::Null) => "(none)".to_owned(),
                Some(other) => other.to_string(),
            };
            path.push(value);
        }
        if table == "ScopedUserRole" {
            let mut copy = row.clone();
            self.references(table, &mut copy);
            for set in ["ProjectIds", "ProjectGroupIds", "EnvironmentIds", "TenantIds"] {
                path.push(copy["$"][set].to_string());
            }
        }
        if table == "TenantVariable" {
            let mut copy = row.clone();
            self.references(table, &mut copy);
            path.push(copy["EnvironmentIds"].to_string());
            path.push(copy["$"]["Scope"].to_string());
        }
        format!("{table}: {}", path.join(" / "))
    }

    /// Replaces every reference of a row by the name it leads to.
    fn references(&self, table: &str, row: &mut Json) -> Vec<Found> {
        let mut found = Vec::new();
        let mut name = |place: &str, id: &str, to: &[&str]| -> Json {
            if id.contains("#{") || id.is_empty() {
                return json!(id);
            }
            let name = self.resolve(to, id);
            let shown = name.as_ref().map_or(format!("{NOWHERE}{id}"), |name| format!("{ARROW}{name}"));
            found.push(Found { place: place.to_owned(), id: id.to_owned(), name });
            json!(shown)
        };
        self.typed_by_templates(table, row, &mut name);
        for ((_, _, form, to), place) in self.rules.get(table).into_iter().flatten() {
            place.visit(row, &mut |at, value| match (form, &*value) {
                (Form::Id, Json::String(id)) => *value = name(at, id, to),
                (Form::Pipe, Json::Null) => *value = json!([]),
                (Form::Pipe, Json::String(list)) => {
                    // The order of a column is that of ids, and says nothing.
                    let mut names: Vec<Json> = pieces(list, '|').iter().map(|id| name(at, id, to)).collect();
                    names.sort_by_key(Json::to_string);
                    *value = Json::Array(names);
                }
                (Form::Comma, Json::String(list)) if !list.contains("#{") => {
                    *value = pieces(list, ',').iter().map(|id| name(at, id, to)).collect();
                }
                (Form::Keys, Json::Object(map)) => {
                    let named =
                        map.iter().map(|(id, v)| (name(at, id, to).as_str().unwrap().to_owned(), v.clone()));
                    *value = Json::Object(named.collect());
                }
                _ => {}
            });
        }
        // Nor does that of a list of ids in JSON, but for the arguments of a task; nor that of roles.
        let rules = self.rules.get(table).into_iter().flatten();
        let lists = rules.filter(|((_, _, form, _), _)| *form == Form::Id && table != "ServerTask");
        let lists = lists.filter_map(|((_, at, ..), _)| at.strip_suffix("/*"));
        for list in lists.chain(["$/Variables/*/Scope/Role"]) {
            Place::parse(list).visit(row, &mut |_, value| {
                if let Json::Array(names) = value {
                    names.sort_by_key(Json::to_string);
                }
            });
        }
        if let Some(Json::String(roles)) = row.get_mut("Roles") {
            let mut names = pieces(roles, '|');
            names.sort_unstable();
            *roles = names.join("|");
        }
        found
    }

    /// The values whose type only a template knows: of a step template's parameters, of a tenant's variables.
    fn typed_by_templates(
        &self,
        table: &str,
        row: &mut Json,
        name: &mut dyn FnMut(&str, &str, &[&str]) -> Json,
    ) {
        let control = |parameters: &Json, member: &str, is: &str| -> Option<&'static str> {
            let parameter = parameters.as_array()?.iter().find(|p| text(p, member) == is)?;
            let control = parameter["DisplaySettings"]["Octopus.ControlType"].as_str()?;
            CONTROLS.iter().find(|(c, _)| *c == control).map(|(_, to)| *to)
        };
        if table == "TenantVariable" {
            let owner = text(row, "OwnerId");
            let owner = self.row("Project", owner).or_else(|| self.row("LibraryVariableSet", owner));
            let to = owner.and_then(|o| control(&o["$"]["Templates"], "Id", text(row, "VariableTemplateId")));
            if let (Some(to), Some(id)) = (to, row["$"]["Value"].as_str()) {
                row["$"]["Value"] = name("$/Value", id, &[to]);
            }
        }
        if ["DeploymentProcess", "RunbookProcess"].contains(&table) {
            Place::parse("$/Steps/*/Actions/*/Properties").visit(row, &mut |at, bag| {
                let Some(template) = self.row("ActionTemplate", text(bag, "Octopus.Action.Template.Id"))
                else {
                    return;
                };
                for (property, value) in bag.as_object_mut().unwrap() {
                    let to = control(&template["$"]["Parameters"], "Name", property);
                    if let (Some(to), Some(id)) = (to, value.as_str()) {
                        *value = name(&format!("{at}/{property}"), id, &[to]);
                    }
                }
            });
        }
    }

    /// The ids that a column of documents lists, each once.
    pub fn listed(&self, table: &str, column: &str) -> Vec<(String, BTreeSet<String>)> {
        let rows = self.rows(table).iter();
        rows.map(|row| (text(row, "Id").to_owned(), pieces(text(row, column), '|').into_iter().collect()))
            .collect()
    }

    /// The column of related documents of every row that has one: table, id, ids in the row's JSON.
    pub fn related(&self) -> Vec<(String, String, Vec<String>)> {
        let mut related = Vec::new();
        for table in ["VariableSet", "DeploymentProcess", "RunbookProcess"] {
            for row in self.rows(table) {
                let ids = related_of(&self.references(table, &mut row.clone()));
                related.push((table.to_owned(), text(row, "Id").to_owned(), ids.into_iter().collect()));
            }
        }
        related
    }
}

/// The ids of the documents that a document's JSON refers to. A feed without a row is no document.
fn related_of(found: &[Found]) -> BTreeSet<String> {
    let known = found
        .iter()
        .filter(|f| f.place.starts_with('$') && f.name.is_some() && !WITHOUT_ROW.contains(&f.id.as_str()));
    known.map(|f| f.id.clone()).collect()
}

/// Ids by the table that links documents to them, and the document's id in lower case.
type Links = HashMap<(&'static str, String), Vec<String>>;

impl Description {
    /// Describes a server. Without `history`, only what is set up: nothing that has happened.
    pub fn of(path: &Path, key: &MasterKey, history: bool) -> Self {
        Self::of_snapshot(&Snapshot::open(path), key, history)
    }

    /// The same of rows that were read.
    pub fn of_snapshot(snapshot: &Snapshot, key: &MasterKey, history: bool) -> Self {
        let mut description = Self::default();
        for (table, rows) in &snapshot.tables {
            description.ids.extend(rows.iter().map(|row| text(row, "Id").to_lowercase()));
            if STAY.contains(&table.as_str()) || (!history && PAST.iter().any(|(past, _)| past == table)) {
                let mut rows: Vec<String> = rows.iter().map(Json::to_string).collect();
                rows.sort();
                description.stay.insert(table.clone(), rows);
            }
        }
        // The ids that documents are linked to by the rows of a table.
        let mut links: Links = HashMap::new();
        let mut seen: Vec<&str> = Vec::new();
        for (link, owner, value, ..) in LINKS {
            for row in snapshot.rows(link).iter().filter(|_| !seen.contains(link)) {
                let owner = (*link, text(row, owner).to_lowercase());
                links.entry(owner).or_default().push(text(row, value).to_owned());
            }
            seen.push(link);
        }
        for (table, _) in DOCUMENTS.iter().chain(PAST) {
            let past = PAST.iter().any(|(past, _)| past == table);
            for row in snapshot.rows(table) {
                // What is not over stays where it is.
                if text(row, "State") == "Executing" {
                    description.stay.entry((*table).to_owned()).or_default().push(row.to_string());
                } else if history || !(past || frozen(row)) {
                    description.add(snapshot, table, row, key, history, &links);
                } else if frozen(row) {
                    description.stay.entry((*table).to_owned()).or_default().push(row.to_string());
                }
            }
        }
        description
    }

    fn add(
        &mut self,
        snapshot: &Snapshot,
        table: &str,
        row: &Json,
        key: &MasterKey,
        history: bool,
        links: &Links,
    ) {
        let name = snapshot.name(table, row);
        if ["NOTHING", "WRONG ID"].iter().any(|bad| name.contains(bad)) {
            self.fault(&name, "itself", "a name that leads nowhere".to_owned());
        }
        let mut row = row.clone();
        let id = text(&row, "Id").to_owned();
        let lists: BTreeMap<&str, String> =
            ["RelatedDocumentIds", "RelatedDocumentId", "DeployedToMachineIds"]
                .map(|list| (list, text(&row, list).to_owned()))
                .into();
        let found = snapshot.references(table, &mut row);
        for place in DERIVED.iter().filter(|(of, _)| *of == table).map(|(_, place)| *place) {
            self.check_derived(&name, table, place, &row, &found);
        }
        for (link, .., list) in LINKS.iter().filter(|(.., of, _)| *of == table) {
            if snapshot.tables.contains_key(*link) {
                let mut links = links.get(&(*link, id.to_lowercase())).cloned().unwrap_or_default();
                links.sort();
                let mut listed = pieces(lists.get(*list).map_or("", String::as_str), '|');
                listed.sort();
                listed.dedup();
                if links != listed {
                    self.fault(&name, link, format!("rows for {links:?}, and {list} has {listed:?}"));
                }
            }
        }
        for found in found {
            if found.name.is_none() && !LEAD_NOWHERE.contains(&found.id.as_str()) {
                self.fault(&name, &found.place, format!("{} leads nowhere", found.id));
            }
            self.found.push((name.clone(), found));
        }
        for place in SECRETS.iter().filter(|(of, _)| *of == table).map(|(_, place)| *place) {
            Place::parse(place).visit(&mut row, &mut |at, value| {
                let Some(cipher) = value.as_str() else { return };
                match key.decrypt(cipher).map(|plain| plain.expose_text().map(str::to_owned)) {
                    Ok(Some(plain)) => *value = json!(format!("secret: {plain}")),
                    _ => self.fault(&name, at, "a secret that does not decrypt".to_owned()),
                }
            });
        }
        let mut doc = Doc { table: table.to_owned(), ..Doc::default() };
        for place in OWN_GUIDS.iter().filter(|(of, _)| *of == table).map(|(_, place)| place) {
            Place::parse(place).take(&mut row);
        }
        if table == "TagSet" {
            for (at, tag) in Place::parse("$/Tags/*/Id").take(&mut row) {
                self.ids.insert(tag.as_str().unwrap_or_default().to_lowercase());
                if !tag.as_str().is_some_and(|tag| tag.starts_with(&format!("{id}/Tags-"))) {
                    self.fault(&name, &at, format!("{tag}, which is no tag of {id}"));
                }
            }
        }
        let without = LOCAL_WITHOUT_HISTORY.iter().filter(|_| !history);
        for place in LOCAL.iter().chain(without).filter(|(of, ..)| *of == table).map(|(_, place, _)| place) {
            doc.local
                .extend(Place::parse(place).take(&mut row).into_iter().map(|(at, v)| (at, v.to_string())));
        }
        for place in DERIVED.iter().filter(|(of, _)| *of == table).map(|(_, place)| place) {
            Place::parse(place).take(&mut row);
        }
        for place in JOINED.iter().filter(|(of, _)| *of == table).map(|(_, place)| place) {
            for (_, value) in Place::parse(place).take(&mut row) {
                elements(place, &value, &mut doc.joined);
            }
        }
        doc.joined.sort();
        let map = row.as_object_mut().unwrap();
        map.remove("Id");
        // The server writes these eight bytes by itself.
        map.remove("DataVersion");
        flatten(&row, "", &mut doc.lines);
        if self.docs.insert(name.clone(), doc).is_some() {
            self.fault(&name, "itself", "two documents of one name".to_owned());
        }
    }

    fn fault(&mut self, document: &str, place: &str, found: String) {
        self.faults.push(Difference {
            document: document.to_owned(),
            place: place.to_owned(),
            expected: None,
            found: Some(found),
        });
    }

    fn check_derived(&mut self, name: &str, table: &str, place: &str, row: &Json, found: &[Found]) {
        let expected: BTreeSet<String> = match table {
            "Tenant" => {
                let keys = found.iter().filter(|f| f.place == "$/ProjectEnvironments");
                keys.map(|f| f.id.clone()).collect()
            }
            _ => related_of(found),
        };
        let held: BTreeSet<String> = match table {
            "Tenant" => found.iter().filter(|f| f.place == place).map(|f| f.id.clone()).collect(),
            _ => pieces(text(row, place), '|').into_iter().collect(),
        };
        if expected != held {
            let (more, less) = (
                held.difference(&expected).collect::<Vec<_>>(),
                expected.difference(&held).collect::<Vec<_>>(),
            );
            self.fault(name, place, format!("too many {more:?}, missing {less:?}"));
        }
    }
}

/// The elements of what is joined.
fn elements(place: &str, value: &Json, into: &mut Vec<(String, String, String)>) {
    let mut add = |same: String, all: String| into.push((place.to_owned(), same, all));
    match value {
        Json::Array(list) => {
            for element in list {
                let same = match element.get("Name") {
                    Some(name) => format!("{} {}", name.to_string().to_lowercase(), element["Scope"]),
                    None => element.to_string(),
                };
                add(same, element.to_string());
            }
        }
        // A link to a project, and one to each environment in it.
        Json::Object(links) => {
            for (project, environments) in links {
                add(project.clone(), project.clone());
                for environment in environments.as_array().into_iter().flatten() {
                    let link = format!("{project} in {environment}");
                    add(link.clone(), link);
                }
            }
        }
        other => add(other.to_string(), other.to_string()),
    }
}
