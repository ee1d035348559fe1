//! The rows of a server as a source of documents, through the model.

use std::cell::{RefCell, RefMut};
use std::collections::HashMap;
use std::hash::{BuildHasher as _, RandomState};

use crate::bundle::{Entry, Notice, Reason};
use crate::document::{ContentId, Document, Value, canonical};
use crate::model::Model;
use crate::ops::export::choice::KindChoice;
use crate::ops::export::error::ExportError;
use crate::ops::export::options::ExportOptions;
use crate::ops::export::unreadable;
use crate::ops::translate::fetch_some;
use crate::ops::translate::{
    Faults, Id, Layouts, ServerSecrets, TranslateError, Translation, Vault, whole_table,
};
use crate::progress::Progress;
use crate::server::{Reader, ServerError};

use super::{Documents, DocumentsError, ListedKind, weight};

/// The documents of a server that export options take.
pub struct ServerDocuments<'r, 'm, 'k> {
    kinds: Vec<ListedKind>,
    secrets: ServerSecrets<'k>,
    leaves_out: bool,
    state: RefCell<State<'r, 'm>>,
}

struct State<'r, 'm> {
    reader: Box<dyn Reader + 'r>,
    translation: Translation<'m>,
    /// The rows that were listed last: of this kind, and the number of the first.
    listed: (usize, u64, Vec<Id>),
    /// Documents of one name, where those that cannot be read are left out: they are an error still.
    ambiguous: Faults,
}

impl<'r, 'm, 'k> ServerDocuments<'r, 'm, 'k> {
    /// Takes the documents that an export of everything with these options would, in the state that the reader sees.
    ///
    /// # Errors
    /// [`ExportError`]: options that name what the model does not have, and another product's server.
    pub fn new(
        mut reader: Box<dyn Reader + 'r>,
        model: &'m Model,
        options: &ExportOptions<'k>,
        progress: &dyn Progress,
    ) -> Result<Self, ExportError> {
        if let Some(notice) = reader.notice() {
            progress.notice(notice);
        }
        let layouts = Layouts::new(model, reader.catalog())?;
        if layouts.iter().next().is_none() {
            return Err(ExportError::NotThisProduct(model.title.clone()));
        }
        let choice = KindChoice::new(model, options)?;
        let mut kinds = Vec::new();
        for layout in layouts.iter() {
            let readable = choice.takes(layout.index);
            let documents = match !readable && layout.kind.rows.is_empty() {
                true => Some(reader.count(&layout.table)?),
                false => None,
            };
            kinds.push(ListedKind { name: layout.kind.name.clone(), documents, readable });
        }
        let mut translation = Translation::new(layouts);
        if options.skip_unreadable {
            translation = translation.leaving_out();
        }
        let listed = (usize::MAX, 1, Vec::new());
        let state = State { reader, translation, listed, ambiguous: Faults::default() };
        let (secrets, leaves_out) = (options.secrets, options.skip_unreadable);
        Ok(Self { kinds, secrets, leaves_out, state: RefCell::new(state) })
    }

    fn state(&self) -> Result<RefMut<'_, State<'r, 'm>>, ServerError> {
        let busy = |source| ServerError::Failed { doing: "reading".to_owned(), source: Box::new(source) };
        self.state.try_borrow_mut().map_err(busy)
    }
}

impl State<'_, '_> {
    /// Reports that there are several documents of one name.
    fn ambiguous(&mut self, document: &Document, leaves_out: bool) -> Result<(), TranslateError> {
        let (kind, key) = (document.kind.clone(), document.key.to_string());
        let error = TranslateError::Ambiguous { kind, key };
        match leaves_out {
            true => self.ambiguous.keep(error),
            false => self.translation.keep_fault(error),
        }
    }

    /// The content id of a document, unless no bundle could hold it.
    fn content_id(&mut self, document: &Document, id: &Id) -> Result<Option<ContentId>, TranslateError> {
        match canonical::encode(document) {
            Ok(bytes) => Ok(Some(ContentId::of(&bytes))),
            Err(error) => {
                let (kind, id, what) = (document.kind.clone(), id.to_string(), error.to_string());
                self.translation.keep_fault(TranslateError::TooMuch { kind, id, what })?;
                Ok(None)
            }
        }
    }
}

impl Documents for ServerDocuments<'_, '_, '_> {
    fn kinds(&self) -> &[ListedKind] {
        &self.kinds
    }

    fn opens_secrets(&self) -> bool {
        matches!(self.secrets, ServerSecrets::Read(_))
    }

    fn entries(
        &self,
        kind: &str,
        progress: &dyn Progress,
        see: &mut dyn FnMut(Entry),
    ) -> Result<(), DocumentsError> {
        if !self.kinds.iter().any(|listed| listed.readable && listed.name.as_str() == kind) {
            return Ok(());
        }
        let mut state = self.state()?;
        let state = &mut *state;
        let layouts = state.translation.layouts.clone();
        let Some(layout) = layouts.iter().find(|layout| layout.kind.name.as_str() == kind) else {
            return Ok(());
        };
        let first = state.listed.1 + state.listed.2.len() as u64;
        state.listed = (layout.index, first, Vec::new());
        let [one, two]: [RandomState; 2] = Default::default();
        // The names of the documents, and whether it was reported that there are several.
        let mut names: HashMap<[u64; 2], bool> = HashMap::new();
        let mut vault = Vault::new();
        let mut table = whole_table(&mut *state.reader, layout, &layout.select())?;
        while let Some(rows) = table.next_page(&mut *state.reader)? {
            progress.check()?;
            progress.advance(rows.len() as u64, 0);
            vault.clear();
            let read =
                state.translation.read(&mut *state.reader, layout.index, rows, self.secrets, &mut vault);
            for portable in read? {
                let document = &portable.document;
                let content_id = state.content_id(document, &portable.row)?;
                let Some(content_id) = content_id else { continue };
                let folded = document.key.folded(layouts.model.collation);
                let name = [one.hash_one(&folded), two.hash_one(&folded)];
                if let Some(reported) = names.get_mut(&name) {
                    if !std::mem::replace(reported, true) {
                        state.ambiguous(document, self.leaves_out)?;
                    }
                    continue;
                }
                names.insert(name, false);
                let mut secrets = 0;
                document.each(&mut |value| secrets += u32::from(matches!(value, Value::Secret(_))));
                let number = first + state.listed.2.len() as u64;
                state.listed.2.push(portable.row);
                let Document { kind, key, .. } = portable.document;
                see(Entry { number, kind, key, id: portable.id, reason: Reason::All, content_id, secrets });
            }
        }
        Ok(())
    }

    fn some(
        &self,
        numbers: &[u64],
        max_bytes: usize,
        vault: Option<&mut Vault>,
    ) -> Result<Vec<(usize, Document)>, DocumentsError> {
        let mut state = self.state()?;
        let State { reader, translation, listed: (kind, first, rows), .. } = &mut *state;
        let Some(layout) = translation.layouts.at(*kind).cloned() else { return Ok(Vec::new()) };
        let mut positions: HashMap<&Id, usize> = HashMap::with_capacity(numbers.len());
        let mut wanted = Vec::with_capacity(numbers.len());
        for (position, number) in numbers.iter().enumerate() {
            let index = number.checked_sub(*first).and_then(|index| usize::try_from(index).ok());
            if let Some(id) = index.and_then(|index| rows.get(index)) {
                positions.insert(id, position);
                wanted.push(id.clone());
            }
        }
        let mut closed = Vault::new();
        let (secrets, vault) = match vault {
            Some(vault) => (self.secrets, vault),
            None => (ServerSecrets::Mask, &mut closed),
        };
        let (mut documents, mut bytes) = (Vec::new(), 0);
        let fetched = fetch_some::<Halt>(&mut **reader, &layout, &wanted, &mut |reader, _, rows| {
            for portable in translation.read(reader, layout.index, rows, secrets, vault)? {
                let position = positions.get(&portable.row);
                let position = position.ok_or_else(|| ServerError::Incomplete {
                    table: layout.table.clone(),
                    read: 0,
                    expected: 1,
                })?;
                bytes += weight(&portable.document);
                documents.push((*position, portable.document));
            }
            if bytes >= max_bytes { Err(Halt::Full) } else { Ok(()) }
        });
        match fetched {
            Err(Halt::Failed(error)) => Err(error),
            Ok(()) if documents.len() < numbers.len() => {
                let (read, expected) = (documents.len() as u64, numbers.len() as u64);
                let table = layout.table.clone();
                Err(ServerError::Incomplete { table, read, expected }.into())
            }
            Ok(()) | Err(Halt::Full) => Ok(documents),
        }
    }

    fn unreadable(&self) -> Result<Vec<Notice>, DocumentsError> {
        let mut state = self.state()?;
        let State { reader, translation, ambiguous, .. } = &mut *state;
        let faults = translation.finish()?;
        if !ambiguous.is_empty() {
            return Err(ExportError::Malformed(Box::new(std::mem::take(ambiguous))).into());
        }
        if !faults.is_empty() && !self.leaves_out {
            return Err(ExportError::Malformed(Box::new(faults)).into());
        }
        let left_out = unreadable::left_out(&mut **reader, translation, &faults)?;
        Ok(unreadable::notices(&left_out, &faults))
    }
}

/// Why fetching ends before its end.
enum Halt {
    /// There is enough.
    Full,
    Failed(DocumentsError),
}

impl From<ServerError> for Halt {
    fn from(error: ServerError) -> Self {
        Halt::Failed(error.into())
    }
}

impl From<TranslateError> for Halt {
    fn from(error: TranslateError) -> Self {
        Halt::Failed(error.into())
    }
}

impl std::fmt::Debug for ServerDocuments<'_, '_, '_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ServerDocuments").finish_non_exhaustive()
    }
}
