//! What reaches other servers.

use std::sync::Arc;

use super::{StartError, settings};
use crate::appview::AppView;
use crate::clock::Clock;
use crate::config::Config;
use crate::identity::{DidDocuments, HandleResolver, PlcClient, PlcDirectory};
use crate::observe::Conditions;
use crate::outbound::{GuardedClient, SystemDns};

/// The ways to other servers.
pub(super) struct Network {
    pub(super) plc: PlcClient,
    pub(super) dids: DidDocuments,
    pub(super) handles: HandleResolver,
    pub(super) appview: AppView,
}

impl Network {
    pub(super) fn reached(
        config: &Config,
        clock: &Arc<dyn Clock>,
        conditions: &Arc<Conditions>,
    ) -> Result<Network, StartError> {
        let plc = PlcClient::new(&config.identity.plc_url, Arc::clone(conditions))?;
        let dns = Arc::new(SystemDns::new(&config.identity.handle_backup_nameservers)?);
        let client = if config.proxy.allow_http2 {
            GuardedClient::with_http2(settings::reach(config), dns.clone())?
        } else {
            GuardedClient::new(settings::reach(config), dns.clone())?
        };
        let directory: Arc<dyn PlcDirectory> = Arc::new(plc.clone());
        let dids = DidDocuments::new(
            directory,
            client.clone(),
            Arc::clone(clock),
            settings::resolution(config),
        );
        let timeout = config.identity.resolver_timeout;
        let handles = HandleResolver::new(dns, client.clone(), Arc::clone(clock), timeout);
        let appview = AppView::new(settings::appview(config), dids.clone(), client)?;
        Ok(Network {
            plc,
            dids,
            handles,
            appview,
        })
    }
}
