"""Packing: documents to token shards that training reads by memory map, and other trainers by export."""
