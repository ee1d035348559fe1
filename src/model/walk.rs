//! One walk over a document for all rules of its kind.
//!
//! The places of all rules are merged into one tree when the model is loaded; a walk visits only the parts
//! of a document that some rule can reach, each once.

use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::sync::Arc;

use crate::document::{Map, Place, Step, Value};

use super::pattern::{Pattern, Segment};
use super::{Form, Kind};

/// What a rule says of the place that the walk has come to; positions are the kind's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rule {
    /// It holds ids of other documents.
    Reference(usize),
    /// It holds a secret.
    Secret(usize),
    /// It is rebuilt, not carried.
    Derived(usize),
    /// It belongs to its server.
    Local(usize),
    /// It holds a part's id.
    PartId(usize),
    /// It is a list whose order means nothing.
    Set(usize),
}

/// Whether parents are visited before or after what is in them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    /// Children first: for reading, where a dictionary's values are read before its keys are.
    Up,
    /// Parents first: for writing, the other way round.
    Down,
}

/// What becomes of a value that was visited.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Keep {
    /// It stays.
    Yes,
    /// It is taken out of its list or object; a column becomes NULL.
    No,
}

/// The places of a kind's rules, merged.
#[derive(Debug, Clone, Default)]
pub(super) struct PlaceTree {
    columns: BTreeMap<Arc<str>, Vec<usize>>,
    nodes: Vec<Node>,
}

#[derive(Debug, Clone, Default)]
struct Node {
    rules: Vec<Rule>,
    // Sorted as documents sort their members: a walk meets them in a document's order.
    members: BTreeMap<Arc<str>, usize>,
    indices: BTreeMap<usize, usize>,
    wild: Vec<(Segment, usize)>,
}

const ROOT: usize = 0;

impl PlaceTree {
    pub(super) fn add(&mut self, pattern: &Pattern, rule: Rule) {
        if self.nodes.is_empty() {
            self.nodes.push(Node::default());
        }
        let mut at = match &pattern.column {
            None => ROOT,
            Some(column) => {
                let node = self.new_node();
                self.columns.entry(Arc::from(column.as_str())).or_default().push(node);
                node
            }
        };
        for segment in &pattern.segments {
            at = self.child(at, segment);
        }
        if let Some(node) = self.nodes.get_mut(at) {
            node.rules.push(rule);
        }
    }

    fn new_node(&mut self) -> usize {
        self.nodes.push(Node::default());
        self.nodes.len() - 1
    }

    fn child(&mut self, at: usize, segment: &Segment) -> usize {
        let known = self.nodes.get(at).and_then(|node| match segment {
            Segment::Member(name) => node.members.get(name.as_str()).copied(),
            Segment::Index(index) => node.indices.get(index).copied(),
            wild => node.wild.iter().find(|(known, _)| known == wild).map(|(_, child)| *child),
        });
        if let Some(child) = known {
            return child;
        }
        let child = self.new_node();
        if let Some(node) = self.nodes.get_mut(at) {
            match segment {
                Segment::Member(name) => {
                    node.members.insert(Arc::from(name.as_str()), child);
                }
                Segment::Index(index) => {
                    node.indices.insert(*index, child);
                }
                wild => node.wild.push((wild.clone(), child)),
            }
        }
        child
    }
}

/// What a walk calls at each place that a rule reaches.
pub type Visit<'a> = dyn FnMut(Rule, &Place, &mut Value) -> Keep + 'a;

impl Kind {
    /// Walks columns and body, calling `visit` at every place that a rule of the kind reaches.
    pub fn walk(
        &self,
        columns: &mut Map,
        body: Option<&mut Value>,
        direction: Direction,
        visit: &mut Visit<'_>,
    ) {
        Walk { tree: &self.places, direction, visit }.document(columns, body);
    }

    /// Like [`Kind::walk`], calling `visit` with the kind's reference rules only: less of a document is
    /// visited.
    pub fn walk_references(
        &self,
        columns: &mut Map,
        body: Option<&mut Value>,
        direction: Direction,
        visit: &mut Visit<'_>,
    ) {
        Walk { tree: &self.reference_places, direction, visit }.document(columns, body);
    }
}

impl Kind {
    /// Like [`Kind::walk`], calling `visit` at the sets only: those with a rule, and references that are spelled as
    /// one.
    pub(super) fn walk_sets(
        &self,
        columns: &mut Map,
        body: Option<&mut Value>,
        direction: Direction,
        visit: &mut Visit<'_>,
    ) {
        Walk { tree: &self.set_places, direction, visit }.document(columns, body);
    }
}

/// What a look calls at each place that a rule reaches; says whether to go on with what is in the value.
pub type Look<'a, 'v> = dyn FnMut(Rule, &Place, &'v Value) -> bool + 'a;

impl Kind {
    /// Shows the places that rules of the kind reach in a document in portable form, parents first. Where a dictionary is
    /// named by ids, it is a list of pairs here: the second of each is what the dictionary holds under its number.
    pub fn look<'v>(&self, columns: &'v Map, body: Option<&'v Value>, see: &mut Look<'_, 'v>) {
        let pairs = |rule: &Rule| match rule {
            Rule::Reference(index) => self.references.get(*index).is_some_and(|rule| rule.form == Form::Keys),
            _ => false,
        };
        Looking { tree: &self.places, pairs: &pairs, see }.document(columns, body);
    }

    /// Like [`Kind::look`], with the kind's reference rules only, and without regard to dictionaries.
    pub fn look_references<'v>(&self, columns: &'v Map, body: Option<&'v Value>, see: &mut Look<'_, 'v>) {
        Looking { tree: &self.reference_places, pairs: &|_| false, see }.document(columns, body);
    }

    /// Shows what stands at the places of the kind's references in a document in portable form, those in lists and
    /// dictionaries one by one, with the positions of their rules.
    pub fn each_reference<'v>(
        &self,
        columns: &'v Map,
        body: Option<&'v Value>,
        see: &mut dyn FnMut(usize, &'v Value),
    ) {
        self.look_references(columns, body, &mut |rule, _, value| {
            if let Rule::Reference(index) = rule {
                match value {
                    Value::List(list) => list.iter().for_each(|element| match element {
                        Value::List(pair) => pair.first().into_iter().for_each(|key| see(index, key)),
                        element => see(index, element),
                    }),
                    value => see(index, value),
                }
            }
            true
        });
    }
}

struct Looking<'w, 's, 'v> {
    tree: &'w PlaceTree,
    /// Whether a rule makes pairs of a dictionary.
    pairs: &'w dyn Fn(&Rule) -> bool,
    see: &'w mut Look<'s, 'v>,
}

impl<'v> Looking<'_, '_, 'v> {
    fn document(&mut self, columns: &'v Map, body: Option<&'v Value>) {
        let tree = self.tree;
        for (name, nodes) in &tree.columns {
            if let Some(value) = columns.get(name) {
                self.value(nodes, &mut Place::column_named(name.clone()), value);
            }
        }
        if let Some(body) = body
            && !tree.nodes.is_empty()
        {
            self.value(&[ROOT], &mut Place::body(), body);
        }
    }

    fn value(&mut self, nodes: &[usize], place: &mut Place, value: &'v Value) {
        let tree = self.tree;
        let nodes = || nodes.iter().filter_map(|node| tree.nodes.get(*node));
        let mut pairs = false;
        for rule in nodes().flat_map(|node| &node.rules) {
            pairs |= (self.pairs)(rule);
            if !(self.see)(*rule, place, value) {
                return;
            }
        }
        if nodes().all(|n| n.members.is_empty() && n.indices.is_empty() && n.wild.is_empty()) {
            return;
        }
        let mut next = Vec::new();
        let wild = |next: &mut Vec<usize>, child: &Value| {
            let all = nodes().flat_map(|node| &node.wild);
            next.extend(all.filter(|(wild, _)| wild.passes(child)).map(|(_, below)| *below));
        };
        match value {
            Value::Map(map) => {
                for (name, child) in map.iter() {
                    next.clear();
                    next.extend(nodes().filter_map(|node| node.members.get(name)));
                    wild(&mut next, child);
                    if !next.is_empty() {
                        place.push_member(name);
                        self.value(&next, place, child);
                        place.pop();
                    }
                }
            }
            Value::List(list) => {
                for (index, child) in list.iter().enumerate() {
                    let child = match (pairs, child) {
                        (true, Value::List(pair)) => match pair.as_slice() {
                            [_, held] => held,
                            _ => continue,
                        },
                        (true, _) => continue,
                        (false, child) => child,
                    };
                    next.clear();
                    if !pairs {
                        next.extend(nodes().filter_map(|node| node.indices.get(&index)));
                    }
                    wild(&mut next, child);
                    if !next.is_empty() {
                        if pairs {
                            place.push_member(&index.to_string())
                        } else {
                            place.push_index(index)
                        }
                        self.value(&next, place, child);
                        place.pop();
                    }
                }
            }
            _ => {}
        }
    }
}

struct Walk<'w, 'v> {
    tree: &'w PlaceTree,
    direction: Direction,
    visit: &'w mut Visit<'v>,
}

impl Walk<'_, '_> {
    fn document(&mut self, columns: &mut Map, body: Option<&mut Value>) {
        let tree = self.tree;
        for (name, nodes) in &tree.columns {
            if let Some(value) = columns.get_mut(name)
                && self.value(nodes, &mut Place::column_named(name.clone()), value) == Keep::No
            {
                *value = Value::Null;
            }
        }
        if let Some(body) = body
            && !tree.nodes.is_empty()
        {
            self.value(&[ROOT], &mut Place::body(), body);
        }
    }

    fn value(&mut self, nodes: &[usize], place: &mut Place, value: &mut Value) -> Keep {
        if self.direction == Direction::Down && self.rules(nodes, place, value) == Keep::No {
            return Keep::No;
        }
        self.children(nodes, place, value);
        if self.direction == Direction::Up && self.rules(nodes, place, value) == Keep::No {
            return Keep::No;
        }
        Keep::Yes
    }

    fn rules(&mut self, nodes: &[usize], place: &Place, value: &mut Value) -> Keep {
        let tree = self.tree;
        for rule in nodes.iter().filter_map(|node| tree.nodes.get(*node)).flat_map(|node| &node.rules) {
            if (self.visit)(*rule, place, value) == Keep::No {
                return Keep::No;
            }
        }
        Keep::Yes
    }

    fn children(&mut self, nodes: &[usize], place: &mut Place, value: &mut Value) {
        let tree = self.tree;
        let nodes = || nodes.iter().filter_map(|node| tree.nodes.get(*node));
        if nodes().all(|n| n.members.is_empty() && n.indices.is_empty() && n.wild.is_empty()) {
            return;
        }
        let mut next = Vec::new();
        match value {
            Value::Map(map) => {
                // Both sides are sorted: the names of the rules are met in step with the object's.
                let mut named: Vec<_> = nodes().map(|node| (node, node.members.iter().peekable())).collect();
                map.retain(|name, child| {
                    next.clear();
                    let mut step = None;
                    for (node, members) in &mut named {
                        while let Some((known, below)) = members.peek() {
                            match known.as_ref().cmp(name) {
                                Ordering::Less => {
                                    members.next();
                                }
                                Ordering::Equal => {
                                    next.push(**below);
                                    step.get_or_insert_with(|| Step::Member(Arc::clone(known)));
                                    break;
                                }
                                Ordering::Greater => break,
                            }
                        }
                        next.extend(node.wild.iter().filter(|(wild, _)| wild.passes(child)).map(|(_, n)| n));
                    }
                    if next.is_empty() {
                        return true;
                    }
                    place.push(step.unwrap_or_else(|| Step::Member(Arc::from(name))));
                    let keep = self.value(&next, place, child);
                    place.pop();
                    keep == Keep::Yes
                });
            }
            Value::List(list) => {
                let mut index = 0;
                list.retain_mut(|child| {
                    next.clear();
                    for node in nodes() {
                        next.extend(node.indices.get(&index));
                        next.extend(node.wild.iter().filter(|(wild, _)| wild.passes(child)).map(|(_, n)| n));
                    }
                    place.push_index(index);
                    index += 1;
                    let keep = if next.is_empty() { Keep::Yes } else { self.value(&next, place, child) };
                    place.pop();
                    keep == Keep::Yes
                });
            }
            _ => {}
        }
    }
}
