#!/usr/bin/python3
"""libtorrent as the judge of torrents: loads them, and makes the same ones itself.

libtorrent_maker.py SPEC.json    {"cases": [{"torrent", "root", "files": [[path, length], ...], "pieceLength", "version"}, ...], "sizes": [...]}
prints                           {"cases": [{"loaded": {...}, "own": {...}}, ...], "chosen": [piece length, ...]}
"""
import json
import os
import sys

import libtorrent as lt

FLAGS = {"1": lt.create_torrent.v1_only, "2": lt.create_torrent.v2_only, "hybrid": 0}
ALL = {"max_buffer_size": 100_000_000, "max_pieces": 0x200000, "max_decode_tokens": 10_000_000}


def hashes(info):
    known = info.info_hashes()
    return {
        "v1": str(known.v1) if known.has_v1() else None,
        "v2": str(known.v2) if known.has_v2() else None,
    }


def loaded(case):
    info = lt.torrent_info(case["torrent"], ALL)
    files = info.files()
    has_trees = info.info_hashes().has_v2()
    return {
        **hashes(info),
        "pieces": info.num_pieces(),
        "files": [{
            "path": files.file_path(i),
            "length": files.file_size(i),
            "padding": bool(files.file_flags(i) & lt.file_flags_t.flag_pad_file),
            "root": str(files.root(i)) if has_trees else None,
        } for i in range(files.num_files())],
    }


def own(case):
    # As it finds them, but in our order: that of a folder's own list is anybody's guess.
    found = lt.file_storage()
    lt.add_files(found, os.path.join(case["root"], case["files"][0][0].split("/")[0]))
    flags = {found.file_path(i): found.file_flags(i) for i in range(found.num_files())}
    files = lt.file_storage()
    for path, length in case["files"]:
        files.add_file(path, length, flags[path])
    torrent = lt.create_torrent(files, case["pieceLength"], FLAGS[case["version"]])
    lt.set_piece_hashes(torrent, case["root"])
    return hashes(lt.torrent_info(torrent.generate()))


def chosen(size):
    files = lt.file_storage()
    files.add_file("file", size)
    return lt.create_torrent(files, 0, 0).piece_length()


with open(sys.argv[1]) as spec:
    asked = json.load(spec)
print(json.dumps({
    "cases": [{"loaded": loaded(case), "own": own(case)} for case in asked["cases"]],
    "chosen": [chosen(size) for size in asked["sizes"]],
}))
