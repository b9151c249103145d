#!/usr/bin/python3
"""libtorrent as the reader and writer of magnet links.

libtorrent_magnet.py SPEC.json    {"links": [link, ...], "torrents": [file, ...]}
prints                            {"read": [{"v1", "v2", "name", "trackers", "webSeeds", "peers", "selected"}, ...], "written": [link, ...]}
"""
import json
import sys

import libtorrent as lt


def read(link):
    params = lt.parse_magnet_uri(link)
    known = params.info_hashes
    return {
        "v1": str(known.v1) if known.has_v1() else None,
        "v2": str(known.v2) if known.has_v2() else None,
        "name": params.name,
        "trackers": params.trackers,
        "webSeeds": params.url_seeds,
        "peers": [list(peer) for peer in params.peers],
        "selected": [i for i, priority in enumerate(params.file_priorities) if priority > 0],
    }


with open(sys.argv[1]) as spec:
    asked = json.load(spec)
print(json.dumps({
    "read": [read(link) for link in asked["links"]],
    "written": [lt.make_magnet_uri(lt.torrent_info(file)) for file in asked["torrents"]],
}))
