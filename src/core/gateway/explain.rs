//! `GET admin/explain`: gathers everything that is known about one client.

use super::admin::{Objects, not_done};
use super::attempt::Attempt;
use super::platform::{LedgerCall, Platform};
use crate::admin::{BanView, CountView, CountedBy, Explained, Findings, Target};
use crate::limits::ledger::{LedgerResponse, Operation};
use crate::limits::scope::{LimitScope, ledger_of_address, ledger_of_subject};
use crate::policy::{Counting, ScopeLimits, Site};
use crate::registry::{Claim, DenialKind, RegistryKey};
use crate::request::address::ClientAddress;
use crate::response::reason::Rejection;
use crate::token::{Authentication, TrustDomain};
use crate::util::sorting::sorted_by;

/// A ledger to ask, and the limits to ask it about.
struct Question<'a> {
    call: LedgerCall,
    counted: &'a ScopeLimits,
    issuer: Option<String>,
}

impl<P: Platform> Attempt<'_, P> {
    /// Asks the ledgers of the client and the registry. All of them must answer: a missing answer
    /// would look as if nothing were known.
    pub(super) async fn explain(
        &self,
        objects: &Objects<'_, P>,
        site: &Site,
        target: &Target,
        issuer: Option<&str>,
    ) -> Result<Explained, Rejection> {
        let platform = self.platform;
        let domains = domains(site, issuer);
        let questions = match target {
            Target::Address { address, .. } => of_address(site, *address),
            Target::Subject(subject) => of_subject(site, &domains, subject),
        };
        let mut findings = Findings::default();
        for mut question in questions {
            question.call.request.now = platform.now();
            let known = match platform.ask_ledger(&question.call).await.answer {
                Ok(LedgerResponse::Explained(known)) => known,
                Ok(other) => return Err(not_done(format!("a ledger answered {other:?}"))),
                Err(failure) => {
                    return Err(not_done(format!("{}: {failure}", question.call.scope)));
                }
            };
            let limits = question.counted.limits;
            let by = CountedBy {
                group: &question.counted.group,
                issuer: question.issuer.as_deref(),
                quota: limits.quota,
                max_sockets: question.counted.max_sockets,
                ban: limits.ban,
            };
            findings.counts.push(CountView::new(&by, &known));
            let ban = BanView::of_failures(&known, platform.now());
            findings
                .bans
                .extend(ban.filter(|ban| !findings.bans.contains(ban)));
        }

        let (bans, more_bans) = objects
            .denials(DenialKind::Ban, Some(vec![target.key()]))
            .await?;
        findings.bans.extend(bans.into_iter().map(BanView::from));
        if let Target::Subject(subject) = target {
            let keys = revocation_keys(&domains, subject);
            let revoked = objects.denials(DenialKind::Revoke, Some(keys)).await?;
            findings.revocations = revoked.0;
            findings.truncated |= revoked.1;
        }
        let (sockets, more_sockets) = objects.sockets(Some(target.key())).await?;
        findings.sockets = sockets;
        findings.truncated |= more_bans | more_sockets;
        Ok(Explained::new(target, findings))
    }
}

/// The trust domains that may issue tokens of a subject, and the one that the request named.
fn domains(site: &Site, issuer: Option<&str>) -> Vec<TrustDomain> {
    let routes = site.routes.iter();
    let authentications = routes.filter_map(|route| route.policy.authentication.as_ref());
    let known = authentications.flat_map(Authentication::domains);
    let named = issuer.map(|issuer| TrustDomain::Issuer(issuer.to_owned()));
    let mut domains = Vec::new();
    for domain in known.chain(named.clone()) {
        let is_meant = named.as_ref().is_none_or(|named| *named == domain);
        if is_meant && !domains.contains(&domain) {
            domains.push(domain);
        }
    }
    domains
}

/// All ways of counting, where each ledger and group is asked once.
fn of_address(site: &Site, address: ClientAddress) -> Vec<Question<'_>> {
    let of_routes = site.routes.iter().map(|route| &route.policy.counting);
    let mut questions = Vec::new();
    for counting in of_routes.chain([&site.elsewhere.counting]) {
        let counted = &counting.address;
        if counted.needs_a_ledger() {
            let ledger = ledger_of_address(address.key(counting.ipv6_prefix));
            questions.push(question(
                counting,
                LimitScope::Address,
                counted,
                ledger,
                None,
            ));
        }
    }
    asked_once(questions)
}

fn of_subject<'a>(site: &'a Site, domains: &[TrustDomain], subject: &str) -> Vec<Question<'a>> {
    let mut questions = Vec::new();
    for counting in site.routes.iter().map(|route| &route.policy.counting) {
        let counted = &counting.user;
        if !counted.needs_a_ledger() {
            continue;
        }
        for domain in domains {
            let ledger = ledger_of_subject(domain, subject);
            let issuer = match domain {
                TrustDomain::Issuer(issuer) => Some(issuer.clone()),
                TrustDomain::KeySource(_) => None,
            };
            questions.push(question(
                counting,
                LimitScope::User,
                counted,
                ledger,
                issuer,
            ));
        }
    }
    asked_once(questions)
}

/// The first question for each ledger and group, in their order.
fn asked_once(questions: Vec<Question<'_>>) -> Vec<Question<'_>> {
    fn asked<'a>(question: &'a Question<'_>) -> (&'a str, &'a str) {
        (&question.call.ledger, &question.counted.group)
    }
    let mut sorted = sorted_by(questions, |one, other| asked(one).cmp(&asked(other)));
    sorted.dedup_by(|later, first| asked(later) == asked(first));
    sorted
}

fn question<'a>(
    counting: &'a Counting,
    scope: LimitScope,
    counted: &'a ScopeLimits,
    ledger: String,
    issuer: Option<String>,
) -> Question<'a> {
    let now = <_>::default();
    Question {
        call: counting.call(scope, counted, ledger, Operation::Explain, now),
        counted,
        issuer,
    }
}

/// The keys of the revocations that affect all tokens of a subject.
fn revocation_keys(domains: &[TrustDomain], subject: &str) -> Vec<RegistryKey> {
    let issuers = domains.iter().filter_map(|domain| match domain {
        TrustDomain::Issuer(issuer) => Some(issuer),
        TrustDomain::KeySource(_) => None,
    });
    let of_issuers = issuers.flat_map(|issuer| {
        [
            RegistryKey::issuer(issuer),
            RegistryKey::claim(Claim::Subject, Some(issuer), subject),
        ]
    });
    [
        RegistryKey::all(),
        RegistryKey::claim(Claim::Subject, None, subject),
    ]
    .into_iter()
    .chain(of_issuers)
    .collect()
}
