-- KEYS: job, results, then the sorted sets that name it. ARGV: id, owner or '', then keys of its bytes.
-- Forgets an ended job and its bytes. Answers 1, 0 if it has not ended, or false if there is no such job.
--! kept

local id, owner = unpack(ARGV)
local status = redis.call('HGET', KEYS[1], 'status')
if not status then return false end
if status == 'queued' or status == 'started' then return 0 end
redis.call('DEL', KEYS[1], KEYS[2], unpack(ARGV, 3))
for place = 3, #KEYS do redis.call('ZREM', KEYS[place], id) end
if owner ~= '' then
    keep(owner, 'inputs:' .. id, 0)
    keep(owner, 'results:' .. id, 0)
end
return 1
