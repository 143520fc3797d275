//! `GET admin/metrics` and `GET admin/overview`: what was counted, and how many sockets are live.

use super::admin::{Objects, nonsense, not_done};
use super::attempt::Attempt;
use super::platform::Platform;
use crate::admin::{Bans, Revocations};
use crate::metrics::{
    GateHealth, MetricsRequest, MetricsResponse, Overview, Statistics, open_metrics,
};
use crate::policy::Site;
use crate::registry::{Census, DenialKind, RegistryRequest, RegistryResponse, SHARDS};
use crate::response::reason::{Reason, Rejection};

impl<P: Platform> Attempt<'_, P> {
    /// The metrics as OpenMetrics text.
    pub(super) async fn open_metrics(
        &self,
        objects: &Objects<'_, P>,
        site: &Site,
    ) -> Result<String, Rejection> {
        if !site.metrics {
            let detail = "METRICS is off; set METRICS to true".to_owned();
            let cause = detail.clone();
            return Err(Reason::BadRequest { detail }.because(cause));
        }
        let statistics = self.statistics(objects).await?;
        let census = objects.census().await?;
        let health = self.health(site);
        Ok(open_metrics(
            statistics,
            census,
            health,
            self.platform.now(),
        ))
    }

    /// What the dashboard shows. Without `METRICS`, only the actions of administrators are known.
    pub(super) async fn overview(
        &self,
        objects: &Objects<'_, P>,
        site: &Site,
        with_lists: bool,
    ) -> Result<Overview, Rejection> {
        let statistics = self.statistics(objects).await?;
        let census = objects.census().await?;
        let by = self.administrator.clone().unwrap_or_default();
        let now = self.platform.now();
        let lists = match with_lists {
            false => None,
            true => {
                let (bans, more_bans) = objects.denials(DenialKind::Ban, None).await?;
                let (revoked, more) = objects.denials(DenialKind::Revoke, None).await?;
                let bans = Bans::new(bans, more_bans);
                Some((bans, Revocations::new(revoked, more)))
            }
        };
        let health = self.health(site);
        Ok(Overview::new(statistics, census, health, lists, by, now))
    }

    /// The counts of all isolates, including the last seconds of this one.
    async fn statistics(&self, objects: &Objects<'_, P>) -> Result<Statistics, Rejection> {
        let read = MetricsRequest::Read(self.gate.take_tally());
        let failure = match self.platform.ask_metrics(&read, objects.timeout).await {
            Ok(MetricsResponse::Statistics(statistics)) => return Ok(*statistics),
            Ok(MetricsResponse::Noted) => "it answered nothing".to_owned(),
            Err(failure) => failure,
        };
        if let MetricsRequest::Read(tally) = &read {
            self.gate.put_back(tally);
        }
        Err(not_done(format!("the object of metrics: {failure}")))
    }

    fn health(&self, site: &Site) -> GateHealth {
        GateHealth {
            version: env!("CARGO_PKG_VERSION"),
            configuration: self.gate.configuration.clone(),
            warnings: site.warnings.clone(),
            key_sets: site.key_set_health(),
            routes: site
                .routes
                .iter()
                .map(|route| route.pattern.clone())
                .collect(),
            metrics: site.metrics,
        }
    }
}

impl<P: Platform> Objects<'_, P> {
    /// How many sockets are live.
    async fn census(&self) -> Result<Census, Rejection> {
        let mut parts = Vec::new();
        for answer in self.ask(0..SHARDS, &RegistryRequest::Count).await? {
            match answer {
                RegistryResponse::Count(census) => parts.push(census),
                other => return Err(nonsense(&other)),
            }
        }
        Ok(Census::sum(parts))
    }
}
