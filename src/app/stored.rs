//! The data directory and what lives on it.

use std::sync::Arc;

use super::{StartError, settings};
use crate::clock::Clock;
use crate::config::Config;
use crate::identity::KeySealer;
use crate::random::Random;
use crate::sequencer::{FirehoseSettings, Sequencer, SequencerStart};
use crate::store::{Database, Store, StoreSettings};

/// What is on the disk, opened.
pub(super) struct Stored {
    pub(super) store: Store,
    pub(super) sequencer: Sequencer,
    pub(super) sealer: Arc<KeySealer>,
}

impl Stored {
    pub(super) async fn open(
        config: &Config,
        clock: &Arc<dyn Clock>,
        random: &dyn Random,
    ) -> Result<Stored, StartError> {
        let database = Database::open(&StoreSettings {
            data_directory: config.storage.data_directory.clone(),
            checkpoints: config.storage.checkpoints,
            before_migration: config.storage.before_migration,
        })
        .await?;
        let firehose = FirehoseSettings {
            backfill_limit: config.firehose.backfill_limit,
            max_subscription_buffer: config.firehose.max_subscription_buffer,
        };
        let sequencer = SequencerStart::new(&database, Arc::clone(clock), firehose).await?;
        let store = database.start(sequencer.sequence())?;
        let sequencer = sequencer.finish(store.clone());
        let sealer = Arc::new(settings::sealer(config));
        sealer.check(&store, random).await?;
        Ok(Stored {
            store,
            sequencer,
            sealer,
        })
    }
}
