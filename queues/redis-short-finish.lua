-- Removes taken jobs that are done.
-- KEYS[1] the queue's prefix
-- ARGV    id and token of each job
-- Gives for each whether others wait (1 or 0); -1 where the token does not hold the job.
local queue = KEYS[1]
local function finish(id, token)
  local job = queue .. id
  if redis.call('GET', job .. ':lock') ~= token then return -1 end
  if redis.call('LREM', queue .. 'active', -1, id) == 0 then return -1 end
  redis.call('DEL', job, job .. ':lock')
  redis.call('SREM', queue .. 'stalled', id)
  return 0
end
local ends = {}
for at = 1, #ARGV, 2 do table.insert(ends, finish(ARGV[at], ARGV[at + 1])) end
if redis.call('EXISTS', queue .. 'wait', queue .. 'prioritized') > 0 then
  for at, ended in ipairs(ends) do
    if ended == 0 then ends[at] = 1 end
  end
end
return ends
