/**
 * What the Redis store does, as Lua that Redis runs in one go, so that trackers who share it never see each other's work half
 * done. Nothing here searches: an announce touches its torrent, and of others at most {@link SWEPT} torrents whose time is
 * over. `P` is the prefix of all keys, `h` an info hash of 20 bytes, `a` an address of BEP 23 or 7.
 *
 * ```
 * P:h:z      sorted set   a → when its time is over, ms
 * P:h:p      hash         a → id (20 bytes), class (byte, see PeerClass.ts), its completed is counted (byte), key (4, or none)
 * P:h:t      hash         id, key and the length of a, end to end → a, of those that have a key
 * P:h:<k>    set          a and id, end to end, of the peers of class k
 * P:h:i      hash         k → peers of class k, c → completed, s → when a seed was last heard
 * P:totals   hash         k, c as above, of all torrents; n → peers
 * P:silent   sorted set   torrents with peers → when the first one's time is over
 * P:quiet    sorted set   torrents without → since when
 * P:key      the connection key
 * ```
 *
 * The keys with a torrent's peers expire by themselves after two lives without an announce; the counts of at most
 * `maxTorrents` torrents stay. Keys are made from the prefix, so this is for one Redis and its replicas, not for a cluster.
 *
 * Every script takes the prefix and the time, ms; where that is empty it is Redis' own, the one clock that all trackers share.
 * Scripts that look at the clock before they write need Redis 5 or newer, which replicates what they did, not them.
 */

/** Torrents cleaned with each announce; it can bring no more than one. */
const SWEPT = 2

/** Peers forgotten at one go. */
const AT_ONCE = 100

const PRELUDE = `
local call = redis.call
local P, now = ARGV[1], tonumber(ARGV[2])
if not now then
  local time = call("TIME")
  now = 1000 * time[1] + math.floor(time[2] / 1000)
end
local totals, silent, quiet = P .. ":totals", P .. ":silent", P .. ":quiet"
local KINDS = {}
for k = 0, 17 do KINDS[k + 1] = k end

local function of(h, part) return P .. ":" .. h .. ":" .. part end

local function count(h, kind, by)
  call("HINCRBY", of(h, "i"), kind, by)
  call("HINCRBY", totals, kind, by)
  call("HINCRBY", totals, "n", by)
end

-- By what a peer that has a key is found; nothing for others.
local function twin(a, id, key)
  if key ~= "" then return id .. key .. #a end
end

local function dropTwin(h, a, entry)
  local field = twin(a, string.sub(entry, 1, 20), string.sub(entry, 23))
  if field then call("HDEL", of(h, "t"), field) end
end

local function drop(h, a)
  local entry = call("HGET", of(h, "p"), a)
  call("ZREM", of(h, "z"), a)
  if not entry then return end
  local kind = string.byte(entry, 21)
  call("HDEL", of(h, "p"), a)
  dropTwin(h, a, entry)
  call("SREM", of(h, kind), a .. string.sub(entry, 1, 20))
  count(h, kind, -1)
end

-- The keys of its peers have expired by themselves.
local function lose(h)
  local counts = call("HMGET", of(h, "i"), unpack(KINDS))
  for k = 0, 17 do
    local n = tonumber(counts[k + 1] or "0")
    if n ~= 0 then
      count(h, k, -n)
      call("DEL", of(h, k), of(h, "p"), of(h, "t"))
    end
  end
end

-- Puts a torrent where it belongs after its peers have changed; \`at\` is when the last of them went, if it did.
local function settle(h, at)
  local first = call("ZRANGE", of(h, "z"), 0, 0, "WITHSCORES")
  if first[1] then
    call("ZADD", silent, first[2], h)
    call("ZREM", quiet, h)
    return
  end
  if call("ZREM", silent, h) == 1 then lose(h) end
  local worth = call("HMGET", of(h, "i"), "c", "s")
  if worth[1] or worth[2] then
    call("ZADD", quiet, "NX", at, h)
  else
    call("DEL", of(h, "i"))
  end
end

-- Says when the last of those that it forgets went.
local function expire(h)
  local gone = call("ZRANGEBYSCORE", of(h, "z"), "-inf", now, "WITHSCORES", "LIMIT", 0, ${AT_ONCE})
  for i = 1, #gone, 2 do drop(h, gone[i]) end
  return gone[#gone]
end

-- Says whether there may be more.
local function sweep(most)
  local due = call("ZRANGEBYSCORE", silent, "-inf", now, "LIMIT", 0, most)
  for i = 1, #due do
    settle(due[i], expire(due[i]) or now)
  end
  return #due == most
end

local function numbers(h)
  local counts = call("HMGET", of(h, "i"), "c", "s", unpack(KINDS))
  local kinds = {}
  local roles = { [0] = 0, 0, 0 }
  for k = 0, 17 do
    kinds[k] = tonumber(counts[k + 3] or "0")
    roles[k % 3] = roles[k % 3] + kinds[k]
  end
  return kinds, roles, tonumber(counts[1] or "0"), counts[2]
end
`

/** Of each announce. */
export const ANNOUNCE_ARGUMENTS = 8

/** More draws than are wanted: the asker itself, and a few that may be lost on its other addresses. */
const SPARE = 9

/**
 * Arguments after the prefix and the time: life, most torrents, most peers of a torrent, most peers, a random integer; and for
 * each of any number of announces info hash, address, id, class, event ("c", "s" or ""), wanted, families ("4", "6" or "46"),
 * key (4 bytes or ""). Answers for each of them 0 when there is no room for the torrent, a text when it failed and others did
 * not, else seeders, leechers, completed, and peers of IPv4 and of IPv6: addresses each with its id, by chance, the asker
 * perhaps among them, up to {@link SPARE} more than wanted. Lua takes its time with strings, so the rest is for the caller.
 */
export const ANNOUNCE = `${PRELUDE}
local life, maxTorrents, maxHere, maxPeers = tonumber(ARGV[3]), tonumber(ARGV[4]), tonumber(ARGV[5]), tonumber(ARGV[6])
local h, a, id, kind, event, want, families, key, role, info, peers, line

local function hasRoom()
  return call("ZCARD", silent) + call("ZCARD", quiet) < maxTorrents
end

local function makeRoom()
  if hasRoom() then return true end
  sweep(${AT_ONCE})
  if hasRoom() then return true end
  local oldest = call("ZRANGE", quiet, 0, 0)[1]
  if not oldest then return false end
  call("HINCRBY", totals, "c", 0 - tonumber(call("HGET", of(oldest, "i"), "c") or "0"))
  call("DEL", of(oldest, "i"))
  call("ZREM", quiet, oldest)
  return true
end

-- Where the peer was before it came here, and what it was there.
local function elsewhere()
  local field = twin(a, id, key)
  local other = field and call("HGET", of(h, "t"), field)
  if other and other ~= a then return other, call("HGET", peers, other) end
end

local function stop(entry)
  local place = a
  if not entry or string.sub(entry, 1, 20) ~= id then place, entry = elsewhere() end
  if not entry then return end
  if string.byte(entry, 21) % 3 == 2 then call("HSET", info, "s", now) end
  drop(h, place)
end

local function enter(entry)
  local finished = 0
  local known = entry and string.byte(entry, 21)
  local knownId = entry and string.sub(entry, 1, 20)
  if knownId == id then finished = string.byte(entry, 22) end
  local before, there = elsewhere()
  if there then
    finished = math.max(finished, string.byte(there, 22))
    drop(h, before)
  end
  if entry then dropTwin(h, a, entry) end
  if known ~= kind or knownId ~= id then
    if known then
      call("SREM", of(h, known), a .. knownId)
      count(h, known, -1)
    end
    call("SADD", of(h, kind), a .. id)
    count(h, kind, 1)
  end
  if event == "c" and role == 2 and finished == 0 then
    finished = 1
    call("HINCRBY", info, "c", 1)
    call("HINCRBY", totals, "c", 1)
  end
  if role == 2 then call("HSET", info, "s", now) end
  call("HSET", peers, a, id .. string.char(kind, finished) .. key)
  if key ~= "" then call("HSET", of(h, "t"), twin(a, id, key), a) end
  call("ZADD", line, now + life, a)
  for _, part in ipairs({ "p", "z", "t", kind }) do call("PEXPIRE", of(h, part), 2 * life) end
end

local function keepBounds()
  if call("ZCARD", line) > maxHere then
    local oldest = call("ZRANGE", line, 0, 1)
    drop(h, oldest[1] == a and oldest[2] or oldest[1])
    settle(h, now)
  end
  if tonumber(call("HGET", totals, "n")) > maxPeers then
    local other = call("ZRANGE", silent, 0, 0)[1]
    local oldest = other and call("ZRANGE", of(other, "z"), 0, 0)[1]
    if oldest then drop(other, oldest) end
    if other then settle(other, now) end
  end
end

-- How many to draw of each class that the asker may hear of, as if all stood in one.
local function shares(kinds)
  local allowed, total = {}, 0
  for family = 0, 1 do
    if string.find(families, family == 0 and "4" or "6", 1, true) then
      local reach = math.floor(kind % 9 / 3)
      for k = family * 9, family * 9 + reach * 3 + 2 do
        if kinds[k] > 0 and (role == 0 or k % 3 == 0) then
          allowed[#allowed + 1] = { kind = k, left = kinds[k], share = 0 }
          total = total + kinds[k]
        end
      end
    end
  end
  for left = total, math.max(1, total - want - ${SPARE} + 1), -1 do
    local lot = math.random(left)
    for _, one in ipairs(allowed) do
      if lot <= one.left then
        one.left = one.left - 1
        one.share = one.share + 1
        break
      end
      lot = lot - one.left
    end
  end
  return allowed
end

local function answer(roles, completed, kinds)
  local four, six = {}, {}
  for _, one in ipairs(kinds and shares(kinds) or {}) do
    if one.share > 0 then
      local drawn = table.concat(call("SRANDMEMBER", of(h, one.kind), one.share))
      table.insert(one.kind < 9 and four or six, drawn)
    end
  end
  return { roles[2], roles[0] + roles[1], completed, table.concat(four), table.concat(six) }
end

local function announce()
  sweep(${SWEPT})
  local at = expire(h)
  if at then settle(h, at) end
  local entry = call("HGET", peers, a)
  if event == "s" then
    stop(entry)
    settle(h, now)
    local _, roles, completed = numbers(h)
    return answer(roles, completed)
  end
  if call("EXISTS", info) == 0 and not makeRoom() then return 0 end
  enter(entry)
  settle(h, now)
  if not entry then keepBounds() end
  local kinds, roles, completed = numbers(h)
  return answer(roles, completed, want > 0 and kinds)
end

math.randomseed(tonumber(ARGV[7]))
local out, failed = {}, 0
for i = 8, #ARGV, ${ANNOUNCE_ARGUMENTS} do
  h, a, id, kind, event = ARGV[i], ARGV[i + 1], ARGV[i + 2], tonumber(ARGV[i + 3]), ARGV[i + 4]
  want, families, key = tonumber(ARGV[i + 5]), ARGV[i + 6], ARGV[i + 7]
  role, info, peers, line = kind % 3, of(h, "i"), of(h, "p"), of(h, "z")
  local isDone, reply = pcall(announce)
  if not isDone then
    failed = failed + 1
    reply = type(reply) == "table" and reply.err or tostring(reply)
  end
  out[#out + 1] = reply
end
if failed > 0 and failed == #out then return { err = out[1] } end
return out
`

/** Arguments after the prefix and the time: info hashes. Answers seeders, leechers, downloaders, completed and lastSeedAt of each. */
export const SCRAPE = `${PRELUDE}
local out = {}
for i = 3, #ARGV do
  local h = ARGV[i]
  local at = expire(h)
  if at then settle(h, at) end
  local _, roles, completed, seed = numbers(h)
  out[#out + 1] = { roles[2], roles[0] + roles[1], roles[0], completed, seed or "" }
end
return out
`

/** Argument after the prefix and the time: torrents to clean. Answers 1 when there may be more of them. */
export const SWEEP = `${PRELUDE}
return sweep(tonumber(ARGV[3])) and 1 or 0
`

/** No more arguments. Answers the torrents with peers, the peers of each class in order, and completed. */
export const SUMMARY = `${PRELUDE}
sweep(${AT_ONCE})
local counts = call("HMGET", totals, "c", unpack(KINDS))
local out = { call("ZCARD", silent) }
for i = 2, 19 do out[#out + 1] = tonumber(counts[i] or "0") end
out[#out + 1] = tonumber(counts[1] or "0")
return out
`
