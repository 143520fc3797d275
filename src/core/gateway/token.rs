//! The runtime as token verification sees it.

use std::rc::Rc;

use super::platform::{BackgroundTask, Platform};
use crate::token::{
    Algorithm, BackgroundKeys, Cryptography, IntrospectionRequest, ProviderAnswer, Providers,
    RemoteKeys, RuntimeKey,
};
use crate::util::time::{Clock, Timestamp};

/// A platform that fetches key sets in the background by the gate's own tasks.
pub(super) struct TokenRuntime<'a, P>(pub &'a P);

impl<P: Platform> Clock for TokenRuntime<'_, P> {
    fn now(&self) -> Timestamp {
        self.0.now()
    }
}

impl<P: Platform> Cryptography for TokenRuntime<'_, P> {
    async fn verify(
        &self,
        key: &Rc<RuntimeKey>,
        algorithm: Algorithm,
        signature: &[u8],
        signed: &[u8],
    ) -> Result<bool, String> {
        self.0.verify(key, algorithm, signature, signed).await
    }
}

impl<P: Platform> Providers for TokenRuntime<'_, P> {
    async fn fetch_keys(&self, keys: &Rc<RemoteKeys>, from_provider: bool) {
        self.0.fetch_keys(keys, from_provider).await;
    }

    async fn introspect(
        &self,
        question: &IntrospectionRequest<'_>,
    ) -> Result<ProviderAnswer, String> {
        self.0.introspect(question).await
    }
}

impl<P: Platform> BackgroundKeys for TokenRuntime<'_, P> {
    fn fetch_keys_after_response(&self, keys: &Rc<RemoteKeys>) {
        self.0
            .run_in_background(BackgroundTask::FetchKeys(keys.clone()));
    }
}
