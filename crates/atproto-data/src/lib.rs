//! Syntax types, CIDs, the JSON and DAG-CBOR data model, keys and signatures of the AT Protocol. Pure: no clock, socket or file.
