-- Removes a taken job that is done.
-- KEYS[1] the queue's prefix
-- ARGV    id, token
-- Gives whether others wait (1 or 0); -1 where the token does not hold the job.
local queue, id = KEYS[1], ARGV[1]
local job = queue .. id
if redis.call('GET', job .. ':lock') ~= ARGV[2] then return -1 end
if redis.call('LREM', queue .. 'active', -1, id) == 0 then return -1 end
redis.call('DEL', job, job .. ':lock')
redis.call('SREM', queue .. 'stalled', id)
return redis.call('EXISTS', queue .. 'wait', queue .. 'prioritized') > 0 and 1 or 0
