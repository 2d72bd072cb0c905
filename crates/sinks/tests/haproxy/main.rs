//! HAProxy's sinks against real HAProxies, with real Redis servers behind them.

mod file;
mod proxy;
mod runtime;
mod spoilt;
