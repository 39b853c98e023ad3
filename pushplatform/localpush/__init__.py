"""A push service on this machine, to web push what a mail catcher is to e-mail.

It answers like a push service (RFC 8030, 8291, 8292), speaks Firefox's WebSocket protocol, simulates browsers that
really decrypt and report like a service worker, fails on command, and shows what arrived on a page.
"""
