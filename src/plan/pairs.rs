//! Which elements of two lists are the same.

use std::borrow::Borrow;
use std::collections::{HashMap, VecDeque};
use std::hash::Hash;

use crate::document::Value;

/// Finds, for the elements of one list, their twins in another: each at most once.
pub(crate) struct Pairs {
    /// The position of the twin, by the element's own position.
    pub of: Vec<Option<usize>>,
    open: Vec<bool>,
}

impl Pairs {
    /// Nothing is paired yet of two lists of these lengths.
    pub fn new(mine: usize, theirs: usize) -> Self {
        Self { of: vec![None; mine], open: vec![true; theirs] }
    }

    /// Pairs two elements, unless one of them has a twin.
    pub fn pair(&mut self, mine: usize, theirs: usize) {
        if let (Some(twin @ None), Some(open @ true)) = (self.of.get_mut(mine), self.open.get_mut(theirs)) {
            *twin = Some(theirs);
            *open = false;
        }
    }

    /// The positions of the elements without a twin.
    pub fn open_mine(&self) -> Vec<usize> {
        self.of.iter().enumerate().filter(|(_, twin)| twin.is_none()).map(|(at, _)| at).collect()
    }

    /// The same of the other list.
    pub fn open_theirs(&self) -> Vec<usize> {
        self.open.iter().enumerate().filter(|(_, open)| **open).map(|(at, _)| at).collect()
    }

    /// Says whether an element of the other list has no twin.
    pub fn is_open(&self, theirs: usize) -> bool {
        self.open.get(theirs) == Some(&true)
    }

    /// Says whether one of the lists has no element left without a twin.
    pub fn is_complete(&self) -> bool {
        self.of.iter().all(Option::is_some) || !self.open.contains(&true)
    }

    /// Pairs elements that have no twin yet and share what `name` makes of them, in the order of the lists, as far
    /// as `fits` agrees.
    pub fn find<K: Hash + Eq, M: Borrow<Value>, T: Borrow<Value>>(
        &mut self,
        mine: &[M],
        theirs: &[T],
        name: impl Fn(&Value) -> K,
        fits: fn(&Value, &Value) -> bool,
    ) {
        let mut named: HashMap<K, VecDeque<usize>> = HashMap::new();
        for (position, element) in
            theirs.iter().enumerate().filter(|(at, _)| self.open.get(*at) == Some(&true))
        {
            named.entry(name(element.borrow())).or_default().push_back(position);
        }
        if named.is_empty() {
            return;
        }
        for (element, twin) in mine.iter().zip(&mut self.of).filter(|(_, twin)| twin.is_none()) {
            let found = named.get_mut(&name(element.borrow())).and_then(|positions| {
                let at = positions.iter().position(|at| {
                    theirs.get(*at).is_some_and(|theirs| fits(element.borrow(), theirs.borrow()))
                })?;
                positions.remove(at)
            });
            if let Some(open) = found.and_then(|at| self.open.get_mut(at)) {
                *open = false;
                *twin = found;
            }
        }
    }
}
