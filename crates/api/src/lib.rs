//! The gRPC services: validate, convert, call the engine, map errors.
