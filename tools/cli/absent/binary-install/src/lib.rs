//! Not used by what is built of worker-build.
