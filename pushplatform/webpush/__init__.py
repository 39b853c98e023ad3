"""The wire of Web Push: RFC 8030, 8188, 8291 and 8292 without a framework, a clock or settings of its own."""
