//! did:plc operations: build, sign, verify, audit logs and a directory state machine. Pure: no clock, socket or file.
