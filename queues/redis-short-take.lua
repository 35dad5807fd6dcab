-- Adds a job as one that is taken, as BullMQ's scripts would have left it after an add and a claim.
-- KEYS[1] the queue's prefix
-- ARGV    id, name, data (JSON), options (JSON), added at (unix ms), priority, token, lock (ms)
-- Gives 1, or 0 and does nothing: others wait, the queue is paused or limited, or the id is there.
local queue, id = KEYS[1], ARGV[1]
local job = queue .. id
local limits = redis.call('HMGET', queue .. 'meta', 'paused', 'concurrency', 'max')
if limits[1] or limits[2] or limits[3] then return 0 end
if redis.call('EXISTS', job, queue .. 'wait', queue .. 'prioritized') > 0 then return 0 end
redis.call('HSET', job, 'name', ARGV[2], 'data', ARGV[3], 'opts', ARGV[4], 'timestamp', ARGV[5], 'delay', 0,
  'priority', ARGV[6], 'processedOn', ARGV[5], 'ats', 1)
redis.call('LPUSH', queue .. 'active', id)
redis.call('SET', job .. ':lock', ARGV[7], 'PX', ARGV[8])
return 1
