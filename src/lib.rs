//! An AT Protocol Personal Data Server.
