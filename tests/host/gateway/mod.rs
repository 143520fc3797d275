mod closing;
mod limiter_properties;
