#!/usr/bin/python3
"""libtorrent as a peer and as a maker of torrents.

libtorrent_peer.py seed|leech TORRENT|MAGNET DIR IP:PORT [PEER_IP:PORT ...]   prints "ready", "uploading", "done"; a leech exits when done
libtorrent_peer.py make SPEC.json     {"out", "root", "files": [[path, length], ...], "pieceLength", "version", "tracker"}

In the environment: LIBTORRENT_HASHES prints what is said about hashes (BEP 52), and calls peers in plain text;
LIBTORRENT_ENCRYPTION=plaintext|rc4 speaks with nobody who does not encrypt, and with this alone;
LIBTORRENT_BOUND calls from its own address alone; LIBTORRENT_RATE is a limit both ways in KB/s;
LIBTORRENT_UNCHECKED takes the files of a seed for right without reading them, so that it knows no leaf hashes.
"""
import json
import os
import sys

import libtorrent as lt


def make(spec):
    files = lt.file_storage()
    for path, length in spec["files"]:
        files.add_file(path, length)
    flags = {"1": lt.create_torrent.v1_only, "2": lt.create_torrent.v2_only, "hybrid": 0}[spec["version"]]
    torrent = lt.create_torrent(files, spec["pieceLength"], flags)
    torrent.add_tracker(spec["tracker"])
    lt.set_piece_hashes(torrent, spec["root"])
    with open(spec["out"], "wb") as out:
        out.write(lt.bencode(torrent.generate()))


HASHES = "LIBTORRENT_HASHES" in os.environ
WORDS = ("HASH_REQUEST", "HASHES", "HASH_REJECT")
LOG = lt.alert.category_t.peer_log_notification if HASHES else 0


LEVEL = {"plaintext": 1, "rc4": 2}.get(os.environ.get("LIBTORRENT_ENCRYPTION"))
FORCED = {} if LEVEL is None else {"out_enc_policy": 0, "in_enc_policy": 0, "allowed_enc_level": LEVEL}


def session(listen):
    bound = {"outgoing_interfaces": listen.rsplit(":", 1)[0]} if "LIBTORRENT_BOUND" in os.environ else {}
    return lt.session({
        **bound,
        "listen_interfaces": listen, "enable_dht": False, "enable_lsd": False, "enable_upnp": False,
        "enable_natpmp": False, "enable_outgoing_utp": False, "enable_incoming_utp": False,
        "out_enc_policy": 2 if HASHES else 1, "allow_multiple_connections_per_ip": True, "stop_tracker_timeout": 1,
        "alert_mask": lt.alert.category_t.status_notification | lt.alert.category_t.error_notification
        | lt.alert.category_t.storage_notification | lt.alert.category_t.peer_notification
        | lt.alert.category_t.connect_notification | LOG,
        **FORCED,
    })


def alerts(s):
    s.wait_for_alert(100)
    for alert in s.pop_alerts():
        if type(alert).__name__ == "peer_log_alert" and not any(word in alert.message() for word in WORDS):
            continue
        print(type(alert).__name__, alert.message(), flush=True)
        yield alert


def run(mode, torrent, save, listen, peers):
    s = session(listen)
    if torrent.startswith("magnet:"):
        wanted = lt.parse_magnet_uri(torrent)
    else:
        wanted = lt.add_torrent_params()
        wanted.ti = lt.torrent_info(torrent)
    wanted.save_path = save
    wanted.flags = lt.torrent_flags.default_flags & ~lt.torrent_flags.paused & ~lt.torrent_flags.auto_managed
    if "LIBTORRENT_UNCHECKED" in os.environ:
        wanted.flags |= lt.torrent_flags.seed_mode
    handle = s.add_torrent(wanted)
    if "LIBTORRENT_RATE" in os.environ:
        rate = int(os.environ["LIBTORRENT_RATE"]) * 1000
        handle.set_upload_limit(rate)
        handle.set_download_limit(rate)
    for address in peers:
        ip, port = address.rsplit(":", 1)
        handle.connect_peer((ip, int(port)))
    ready = uploading = False
    while True:
        for _ in alerts(s):
            pass
        status = handle.status()
        checked = status.state not in (status.states.checking_files, status.states.checking_resume_data)
        if checked and not ready and s.is_listening() and (mode == "leech" or status.is_seeding):
            ready = True
            print("ready", flush=True)
        if status.total_payload_upload > 0 and not uploading:
            uploading = True
            print("uploading", flush=True)
        if mode == "leech" and status.is_seeding:
            break
    handle.flush_cache()
    while not any(isinstance(alert, lt.cache_flushed_alert) for alert in alerts(s)):
        pass
    print("done", flush=True)
    os._exit(0)


if sys.argv[1] == "make":
    with open(sys.argv[2]) as spec:
        make(json.load(spec))
else:
    run(*sys.argv[1:5], sys.argv[5:])
