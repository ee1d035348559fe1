//! Which texts of a document are scripts, in what language, and what people call them.
//!
//! Nothing depends on this but how a document is laid out in files: a script that no rule names is text.

use std::collections::BTreeMap;

use crate::document::{Place, Value};

use super::check::{Checked, Scope, fault};
use super::file;
use super::pattern::{Pattern, Segment};
use super::places::pattern;
use super::{Kind, Model};

/// A place in a kind's JSON that holds scripts.
#[derive(Debug, Clone)]
pub struct ScriptRule {
    /// Where.
    pub at: Pattern,
    /// The member beside it that names the language.
    pub syntax: Option<String>,
    /// How a file is called whose language is not said, or not known.
    pub extension: String,
    /// A word that tells it from other scripts of the same thing.
    pub label: Option<String>,
    /// Only elements of such a name hold scripts.
    pub named: Option<NamedScript>,
}

/// Elements of a list that hold scripts, known by their names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NamedScript {
    /// The member that names an element.
    pub by: String,
    /// How the names of scripts begin; the rest, up to a closing bracket, is what people call it.
    pub begins: String,
    /// How the name of the element begins whose member of the same place names the language; the rest is the
    /// script's.
    pub language: Option<String>,
}

/// A text that is a script.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Script {
    /// Where it stands.
    pub place: Place,
    /// How a file with it ends, without the dot.
    pub extension: String,
    /// What people call it, where anything around it says.
    pub label: Option<String>,
}

impl Model {
    /// The scripts of a kind's JSON, in the order of the kind's rules. Empty text is none.
    pub fn scripts(&self, kind: &Kind, body: &Value) -> Vec<Script> {
        let mut scripts: Vec<Script> = Vec::new();
        for rule in &kind.scripts {
            let mut walk = Walk { rule, syntaxes: &self.syntaxes, around: Vec::new(), scripts: &mut scripts };
            walk.value(body, &rule.at.segments, &mut Place::body());
        }
        scripts
    }
}

struct Walk<'w, 'v> {
    rule: &'w ScriptRule,
    syntaxes: &'w BTreeMap<String, String>,
    /// The objects and lists around the place, innermost last.
    around: Vec<&'v Value>,
    scripts: &'w mut Vec<Script>,
}

impl<'v> Walk<'_, 'v> {
    fn value(&mut self, value: &'v Value, segments: &[Segment], place: &mut Place) {
        let Some((first, rest)) = segments.split_first() else {
            if let Value::Text(text) = value
                && !text.is_empty()
                && !self.scripts.iter().any(|script| script.place == *place)
            {
                let found = self.script(place);
                self.scripts.extend(found);
            }
            return;
        };
        self.around.push(value);
        match (first, value) {
            (Segment::Member(name), Value::Map(map)) => {
                if let Some(child) = map.get(name) {
                    place.push_member(name);
                    self.value(child, rest, place);
                    place.pop();
                }
            }
            (Segment::Index(index), Value::List(list)) => {
                if let Some(child) = list.get(*index) {
                    place.push_index(*index);
                    self.value(child, rest, place);
                    place.pop();
                }
            }
            (Segment::Any | Segment::Filter(_), Value::List(list)) => {
                for (index, child) in list.iter().enumerate().filter(|(_, child)| first.passes(child)) {
                    place.push_index(index);
                    self.value(child, rest, place);
                    place.pop();
                }
            }
            (Segment::Any | Segment::Filter(_), Value::Map(map)) => {
                for (name, child) in map.iter().filter(|(_, child)| first.passes(child)) {
                    place.push_member(name);
                    self.value(child, rest, place);
                    place.pop();
                }
            }
            _ => {}
        }
        self.around.pop();
    }

    fn script(&self, place: &Place) -> Option<Script> {
        let rule = self.rule;
        let mut language = rule.syntax.as_ref().and_then(|member| text(self.around.last()?, member));
        let mut label = self.around.iter().rev().find_map(|around| text(around, "Name"));
        if let Some(named) = &rule.named {
            let rest = text(self.around.last()?, &named.by)?.strip_prefix(named.begins.as_str())?;
            label = Some(rest.strip_suffix(']').unwrap_or(rest));
            language = language.or_else(|| self.language(named, rest));
        }
        let label = match (label, &rule.label) {
            (Some(label), Some(word)) => Some(format!("{label} {word}")),
            (label, word) => label.map(str::to_owned).or_else(|| word.clone()),
        };
        let known = language.and_then(|name| {
            self.syntaxes
                .iter()
                .find(|(known, _)| known.eq_ignore_ascii_case(name))
                .map(|(_, extension)| extension)
        });
        let extension = known.unwrap_or(&rule.extension).clone();
        Some(Script { place: place.clone(), extension, label })
    }

    /// What the element beside it that is named after the script says.
    fn language(&self, named: &NamedScript, rest: &str) -> Option<&'v str> {
        let begins = named.language.as_ref()?;
        let Some(Segment::Member(holds)) = self.rule.at.segments.last() else { return None };
        let [.., Value::List(elements), _] = self.around.as_slice() else { return None };
        let is_it = |element: &&Value| {
            text(element, &named.by).and_then(|name| name.strip_prefix(begins.as_str())) == Some(rest)
        };
        text(elements.iter().find(is_it)?, holds)
    }
}

fn text<'v>(value: &'v Value, member: &str) -> Option<&'v str> {
    match value {
        Value::Map(map) => map.get(member).and_then(Value::as_text).filter(|text| !text.is_empty()),
        _ => None,
    }
}

/// Adds what the file says of scripts to a kind.
pub(super) fn complete(scope: &Scope<'_>, wire: &file::Kind, mut kind: Kind) -> Checked<Kind> {
    for script in &wire.script {
        kind.scripts.push(rule_of(scope, script, None)?);
    }
    for apply in &wire.apply {
        let base = pattern(&apply.at)?;
        let shared = scope.shared.get(apply.rules.get_ref().as_str());
        for script in shared.into_iter().flat_map(|rules| &rules.script) {
            kind.scripts.push(rule_of(scope, script, Some(&base))?);
        }
    }
    if !kind.scripts.is_empty() && wire.body.is_none() {
        return fault(wire.name.span(), "the kind has rules for scripts but names no `body` column");
    }
    Ok(kind)
}

fn rule_of(scope: &Scope<'_>, wire: &file::Script, base: Option<&Pattern>) -> Checked<ScriptRule> {
    let at = scope.place(&wire.at, base)?;
    if at.column.is_some() {
        return fault(wire.at.span(), "a script is text in JSON");
    }
    check_extension(&wire.extension)?;
    Ok(ScriptRule {
        at,
        syntax: wire.syntax.clone(),
        extension: wire.extension.get_ref().clone(),
        label: wire.label.clone(),
        named: wire.named.as_ref().map(|named| NamedScript {
            by: named.by.clone(),
            begins: named.begins.clone(),
            language: named.language.clone(),
        }),
    })
}

/// How files may end: not as a document does.
pub(super) fn check_extension(wire: &toml::Spanned<String>) -> Checked<()> {
    let text = wire.get_ref();
    let plain = (1..=8).contains(&text.len())
        && text.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit());
    if plain && text != "json" {
        return Ok(());
    }
    fault(
        wire.span(),
        format!("{text:?} is no extension: use up to 8 small letters and digits, and not json"),
    )
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::document::json;

    fn scripts(kind: &str, body: &str) -> Vec<(String, String, Option<String>)> {
        let model = Model::octopus().unwrap();
        let body = json::parse(body.as_bytes()).unwrap();
        let scripts = model.scripts(model.kind(kind).unwrap(), &body);
        scripts.into_iter().map(|s| (s.place.to_string(), s.extension, s.label)).collect()
    }

    #[test]
    fn scripts_of_steps_are_called_after_their_action() {
        let body = r#"{"Steps":[{"Name":"S","Actions":[
            {"Name":"Deploy","Properties":{"Octopus.Action.Script.ScriptBody":"x","Octopus.Action.Script.Syntax":"Bash"}},
            {"Name":"Site","Properties":{"Octopus.Action.CustomScripts.PreDeploy.csx":"y","Octopus.Action.Script.ScriptBody":""}},
            {"Name":"Old","Properties":{"Octopus.Action.Script.ScriptBody":"z","Octopus.Action.Script.Syntax":"Cobol"}}]}]}"#;
        let found = scripts("DeploymentProcess", body);
        let found: Vec<_> = found.iter().map(|(_, e, l)| (l.as_deref().unwrap(), e.as_str())).collect();
        assert_eq!(found, [("Deploy", "sh"), ("Old", "ps1"), ("Site PreDeploy", "csx")]);
    }

    #[test]
    fn script_modules_are_known_by_the_names_of_variables() {
        let body = r#"{"Variables":[{"Name":"Octopus.Script.Module[Tools]","Value":"code"},
            {"Name":"Octopus.Script.Module.Language[Tools]","Value":"Python"},{"Name":"Other","Value":"text"}]}"#;
        let expected = ("$.Variables[0].Value".to_owned(), "py".to_owned(), Some("Tools".to_owned()));
        assert_eq!(scripts("VariableSet", body), [expected]);
    }
}
