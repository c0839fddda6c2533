-- KEYS: job, queue, rq's canceled registry, cancel flag, counts of ends, queue of webhooks, usage of the day.
-- ARGV: id, ttl, now in s, now as rq writes it, the count to raise, ttl of the usage, how many of its fields are to be
-- raised, those and by how much each, id of a webhook's job or '', then fields and values of that job's hash.
-- A job that still waits is canceled here and now. One that a worker holds gets a flag, which the worker heeds between
-- steps and before it commits. Answers 'canceled', 'canceling', 'ended', or false if there is no such job.
--! fairness

local job, queue, registry, flag, ends, webhooks, usage = unpack(KEYS)
local id, ttl, now, ended_at, counted, usage_ttl, used = unpack(ARGV)
local at = 8 + 2 * tonumber(used)
local delivery = ARGV[at]
local status = redis.call('HGET', job, 'status')
if not status then return false end
if status == 'queued' and redis.call('LREM', queue, 1, id) == 1 then
    local known = redis.call('HMGET', job, 'owner', 'created_at')
    leave_lane(queue, string.sub(queue, #QUEUE + 1), lane_member(known[1], known[2], id))
    redis.call('HSET', job, 'status', 'canceled', 'ended_at', ended_at)
    redis.call('EXPIRE', job, ttl)
    redis.call('ZADD', registry, now + ttl, id)
    redis.call('HINCRBY', ends, counted, 1)
    for place = 8, at - 1, 2 do redis.call('HINCRBY', usage, ARGV[place], ARGV[place + 1]) end
    redis.call('EXPIRE', usage, usage_ttl)
    if delivery ~= '' then
        redis.call('HSET', JOB .. delivery, unpack(ARGV, at + 1))
        redis.call('SADD', QUEUES, webhooks)
        redis.call('RPUSH', webhooks, delivery)
    end
    return 'canceled'
end
if status == 'queued' or status == 'started' then
    redis.call('SET', flag, '1', 'EX', ttl)
    return 'canceling'
end
return 'ended'
