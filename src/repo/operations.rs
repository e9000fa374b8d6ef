//! From what clients ask to what happens to the tree: swaps are checked, and what would change nothing is left out.

use std::collections::BTreeMap;

use atproto_data::Cid;
use atproto_repo::mst::{Action, Operation, Tree};

use super::RepoError;
use super::record::{RecordSwap, RecordWrite, WriteAction};

/// The tree operations of a list of writes, swaps checked against what each write finds.
pub(super) fn operations(writes: &[RecordWrite], tree: &Tree) -> Result<Vec<Operation>, RepoError> {
    // What earlier writes of the same list left at a path.
    let mut current: BTreeMap<String, Option<Cid>> = BTreeMap::new();
    let mut operations = Vec::with_capacity(writes.len());
    for write in writes {
        let path = write.path();
        let found = match current.get(&path) {
            Some(found) => *found,
            None => tree.get(path.as_bytes())?,
        };
        let Some(action) = action(&write.action, found, &path)? else {
            continue;
        };
        current.insert(path.clone(), after(action));
        operations.push(Operation {
            key: path.into_bytes(),
            action,
        });
    }
    Ok(operations)
}

fn after(action: Action) -> Option<Cid> {
    match action {
        Action::Create(cid) | Action::Update(cid) => Some(cid),
        Action::Delete => None,
    }
}

fn action(write: &WriteAction, found: Option<Cid>, path: &str) -> Result<Option<Action>, RepoError> {
    match (write, found) {
        (WriteAction::Create(_) | WriteAction::CreateUnique(_), Some(_)) => {
            Err(RepoError::RecordExists(path.to_owned()))
        }
        (WriteAction::Create(record) | WriteAction::CreateUnique(record), None) => Ok(Some(Action::Create(record.cid))),
        (WriteAction::Update(_) | WriteAction::Delete, None) => Err(RepoError::RecordMissing(path.to_owned())),
        (WriteAction::Update(record), Some(_)) => Ok(Some(Action::Update(record.cid))),
        (WriteAction::Delete, Some(_)) => Ok(Some(Action::Delete)),
        // The same content is no change, whatever is said of what was there, as in the reference.
        (WriteAction::Put { record, .. }, Some(found)) if found == record.cid => Ok(None),
        (WriteAction::Put { record, swap }, found) => {
            check_swap(*swap, found)?;
            Ok(Some(if found.is_some() {
                Action::Update(record.cid)
            } else {
                Action::Create(record.cid)
            }))
        }
        (WriteAction::DeleteIfPresent { .. }, None) => Ok(None),
        (WriteAction::DeleteIfPresent { swap }, Some(_)) => {
            check_swap(*swap, found)?;
            Ok(Some(Action::Delete))
        }
    }
}

fn check_swap(swap: RecordSwap, found: Option<Cid>) -> Result<(), RepoError> {
    let holds = match swap {
        RecordSwap::Any => true,
        RecordSwap::Absent => found.is_none(),
        RecordSwap::At(cid) => found == Some(cid),
    };
    if holds {
        return Ok(());
    }
    let was = found.map_or_else(|| "null".to_owned(), |cid| cid.to_string());
    Err(RepoError::InvalidSwap(format!("Record was at {was}")))
}
