-- The blocks of one name, and one process's word on its own.
--
-- KEYS[1]  a hash: process → "units used want since lapses seq"
--   units   the block it holds           used   units it used when it last spoke
--   want    the block it needs now; more than `units` only while callers of it have been refused: it is hungry
--   since   when its hunger, or its turn in the line, began     lapses  when the block is free again     (ms, this clock)
--   seq     numbers what a process says: what comes late from a broken connection changes nothing
-- ARGV     process, seq, used, hold (what it keeps of its block), want, is it hungry (0 or 1), limit, ttl in ms
-- Answers  { units, keep, othersWant, asked, news }
--   keep        of its units, those it may give out anew: the others are due to hungry processes
--   othersWant  1 when some process is hungrier than what is free: idle units should come back
--   asked       1 when every other process has, since our hunger began, said that it uses all it holds
--   news        1 tell the holders that a unit is wanted, 2 tell the hungry that one is free, 0 nothing
--
-- L1: the units of all blocks together exceed the limit only by units that were in use when the limit sank or their
--     block lapsed, and only until so many are given back. L2: what a process holds is taken from it only when it lapses. L3: with at least one unit for each,
--     a hungry process gets up to limit / processes before another gets more; with fewer, they take turns.
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local process, seq = ARGV[1], tonumber(ARGV[2])
local used, hold, want = tonumber(ARGV[3]), tonumber(ARGV[4]), tonumber(ARGV[5])
local isHungry, limit, ttl = ARGV[6] == '1', tonumber(ARGV[7]), tonumber(ARGV[8])

local me = { units = 0, want = 0, since = now, seq = 0 }
local others = {}
local entries = redis.call('HGETALL', KEYS[1])
for at = 1, #entries, 2 do
  local units, inUse, wants, since, lapses, number =
    string.match(entries[at + 1], '^(%d+) (%d+) (%d+) (%d+) (%d+) (%d+)$')
  local entry = {
    units = tonumber(units), used = tonumber(inUse), want = tonumber(wants),
    since = tonumber(since), lapses = tonumber(lapses), seq = tonumber(number),
  }
  if entry.lapses <= now then
    redis.call('HDEL', KEYS[1], entries[at])
  elseif entries[at] == process then
    me = entry
  else
    -- The clock has been set back: a block still lapses one ttl from now.
    if entry.lapses > now + ttl then
      entry.lapses = now + ttl
      redis.call('HSET', KEYS[1], entries[at], string.format('%d %d %d %d %d %d',
        entry.units, entry.used, entry.want, math.min(entry.since, now), entry.lapses, entry.seq))
    end
    others[#others + 1] = entry
  end
end
if seq <= me.seq then return { me.units, me.units, 0, 0, 0 } end

local base = math.min(me.units, hold)
local wasHungry = me.want > me.units
-- Who gives up a unit goes to the end of the line.
local since = (wasHungry and base >= me.units) and me.since or now

local taken, processes = 0, (used > 0 or want > 0) and 1 or 0
for _, other in ipairs(others) do
  taken = taken + other.units
  if other.units > 0 or other.want > 0 then processes = processes + 1 end
end
local share = math.floor(limit / math.max(1, processes))

-- hunger: all units that others lack; short: those that they lack of their share; line: those without any unit;
-- before: those of the line who came before us.
local hunger, short, line, before, asked = 0, 0, 0, 0, 1
for _, other in ipairs(others) do
  hunger = hunger + math.max(0, other.want - other.units)
  short = short + math.max(0, math.min(share, other.want) - other.units)
  if other.want > 0 and other.units == 0 then
    line = line + 1
    if other.since < since then before = before + 1 end
  end
  if other.units > 0 and (other.units > other.used or other.lapses - ttl <= since) then asked = 0 end
end

local free = limit - taken
local allowed
if not isHungry then allowed = free - hunger
elseif share == 0 then allowed = math.min(1, free - before)
else allowed = math.max(math.min(share, free), free - short) end
local units = math.max(used, base, math.min(want, allowed))

local spare = math.max(0, free - units)
local keep = units
if share == 0 then
  -- What is granted now is there for one turn.
  if line > spare and units == base then keep = 0 end
elseif short > spare then
  keep = math.min(units, math.max(share, units - (short - spare)))
end
-- More is held than there is: a limit sank, or a block lapsed in use. Who has more than its share gives way.
local over = math.max(0, units - free)
if over > 0 then keep = math.min(keep, math.max(math.min(share, units), units - over)) end
local isStillHungry = isHungry and want > units
local news = 0
if units < me.units and hunger > 0 then news = 2
elseif taken > 0 and (isStillHungry and since == now or over > 0 and units > base) then news = 1 end

if units == 0 and not isStillHungry then
  redis.call('HDEL', KEYS[1], process)
else
  redis.call('HSET', KEYS[1], process, string.format('%d %d %d %d %d %d',
    units, used, isStillHungry and want or units, since, now + ttl, seq))
  redis.call('PEXPIRE', KEYS[1], 2 * ttl)
end
return { units, keep, hunger > spare and 1 or 0, asked, news }
