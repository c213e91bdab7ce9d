//! Device profiles: facts about a device, each with its source, and how to measure on it.
