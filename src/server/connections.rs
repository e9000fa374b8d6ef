//! The open connections: how many there may be, and which of them makes room when there are so many.
//!
//! A connection costs a client nothing to open and to leave idle. So a new one does not wait until idle ones have had their time: the one
//! that has waited longest for a request is closed for it, as clients expect of a connection that is kept alive.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, timeout};
use tokio_util::sync::CancellationToken;

/// A connection that was asked to make room has so long before another one is asked.
const PATIENCE: Duration = Duration::from_millis(100);

/// The connections that are open, at most as many as there are places.
pub(super) struct Connections {
    places: Arc<Semaphore>,
    open: Arc<Mutex<Open>>,
}

#[derive(Default)]
struct Open {
    next: u64,
    by_number: HashMap<u64, Arc<Activity>>,
}

/// A place for one connection, given back when it is dropped.
pub(super) struct Place {
    _room: OwnedSemaphorePermit,
    number: u64,
    open: Arc<Mutex<Open>>,
    activity: Arc<Activity>,
}

/// What one connection is doing.
pub(super) struct Activity {
    requests: Mutex<Requests>,
    make_room: CancellationToken,
}

struct Requests {
    under_way: usize,
    /// When the last one ended, or the connection was opened.
    waits_since: Instant,
}

/// A request under way, until it is dropped.
pub(super) struct UnderWay(Arc<Activity>);

impl Connections {
    /// So many places.
    pub(super) fn new(places: usize) -> Connections {
        Connections {
            places: Arc::new(Semaphore::new(places)),
            open: Arc::default(),
        }
    }

    /// Room for a new connection. While there is none, connections that wait for a request are closed, one at a time.
    pub(super) async fn room(&self) -> OwnedSemaphorePermit {
        loop {
            if let Ok(room) = self.places.clone().try_acquire_owned() {
                return room;
            }
            self.make_room();
            if let Ok(Ok(room)) = timeout(PATIENCE, self.places.clone().acquire_owned()).await {
                return room;
            }
        }
    }

    /// Gives the room to a connection that has come: from now on it waits for a request.
    pub(super) fn open(&self, room: OwnedSemaphorePermit) -> Place {
        let activity = Arc::new(Activity {
            requests: Mutex::new(Requests {
                under_way: 0,
                waits_since: Instant::now(),
            }),
            make_room: CancellationToken::new(),
        });
        let mut open = lock(&self.open);
        open.next += 1;
        let number = open.next;
        open.by_number.insert(number, activity.clone());
        Place {
            _room: room,
            number,
            open: self.open.clone(),
            activity,
        }
    }

    /// Asks the connection that has waited longest for a request to close, of those that were not asked yet.
    pub(super) fn make_room(&self) {
        let open = lock(&self.open);
        let waiting = open
            .by_number
            .values()
            .filter_map(|one| Some((one.waits_since()?, one)));
        if let Some((_, longest)) = waiting.min_by_key(|(since, _)| *since) {
            longest.make_room.cancel();
        }
    }
}

impl Place {
    /// What this connection is doing.
    pub(super) fn activity(&self) -> &Arc<Activity> {
        &self.activity
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        lock(&self.open).by_number.remove(&self.number);
    }
}

impl Activity {
    /// A request begins.
    pub(super) fn begin(self: &Arc<Self>) -> UnderWay {
        lock(&self.requests).under_way += 1;
        UnderWay(self.clone())
    }

    /// Returns when the connection is to make room for another.
    pub(super) async fn is_to_make_room(&self) {
        self.make_room.cancelled().await;
    }

    fn waits_since(&self) -> Option<Instant> {
        let requests = lock(&self.requests);
        (requests.under_way == 0 && !self.make_room.is_cancelled()).then_some(requests.waits_since)
    }
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        let mut requests = lock(&self.0.requests);
        requests.under_way -= 1;
        requests.waits_since = Instant::now();
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
