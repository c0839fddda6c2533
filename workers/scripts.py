"""The steps that must happen as one, as Lua scripts in Redis. They keep rq's own keys as rq itself would."""

# KEYS: job, queue, rq's set of queues, doorbell, idempotency or '', then the histories that it is part of.
# ARGV: id, queue limit, ttl, now in ms, digest of the request, then fields and values of the job hash.
# Histories keep twice the ttl, since a prediction is kept for its ttl after it ended, and may have waited before.
# Answers {'created'}, {'full'}, or {'exists', id, digest} for a job of this id or a request of this idempotency key.
ENQUEUE = """
local job, queue, queues, doorbell, idempotency = unpack(KEYS)
local id, limit, ttl, now, digest = unpack(ARGV)
if idempotency ~= '' then
    local earlier = redis.call('HMGET', idempotency, 'id', 'digest')
    if earlier[1] then return {'exists', earlier[1], earlier[2]} end
end
if redis.call('EXISTS', job) == 1 then return {'exists', id, ''} end
if redis.call('LLEN', queue) >= tonumber(limit) then return {'full'} end
redis.call('HSET', job, unpack(ARGV, 6))
redis.call('SADD', queues, queue)
redis.call('RPUSH', queue, id)
redis.call('LPUSH', doorbell, '')
redis.call('LTRIM', doorbell, 0, 15)
for place = 6, #KEYS do
    redis.call('ZREMRANGEBYSCORE', KEYS[place], '-inf', now - 2 * ttl * 1000)
    redis.call('ZADD', KEYS[place], now, id)
    redis.call('EXPIRE', KEYS[place], 2 * ttl)
end
if idempotency ~= '' then
    redis.call('HSET', idempotency, 'id', id, 'digest', digest)
    redis.call('EXPIRE', idempotency, ttl)
end
return {'created'}
"""

# KEYS: queue lists, best first. ARGV: since when a job is overdue, as rq writes times, then for each queue its rank
# (those of one rank stand together) and how many images may be taken.
# Takes from the first queue that has jobs, or, if some of the same rank are overdue, from the one that has waited
# longest; answers its place in KEYS, then id and hash of each job. What is taken rests in rq's intermediate list until
# it is begun.
TAKE = """
local overdue = ARGV[1]
local chosen, chosen_rank, chosen_since
for place, queue in ipairs(KEYS) do
    local rank = ARGV[2 * place]
    if chosen and rank ~= chosen_rank then break end
    local head = redis.call('LINDEX', queue, 0)
    if head then
        local since = redis.call('HGET', 'rq:job:' .. head, 'enqueued_at') or ''
        if not chosen or (since < overdue and since < chosen_since) then
            chosen, chosen_rank, chosen_since = place, rank, since
        end
    end
end
if not chosen then return false end
local queue, room, taken = KEYS[chosen], tonumber(ARGV[2 * chosen + 1]), {chosen}
while room > 0 do
    local id = redis.call('LMOVE', queue, queue .. ':intermediate', 'LEFT', 'RIGHT')
    if not id then break end
    taken[#taken + 1] = id
    taken[#taken + 1] = redis.call('HGETALL', 'rq:job:' .. id)
    room = room - (tonumber(redis.call('HGET', 'rq:job:' .. id, 'images') or '') or 1)
end
return taken
"""

# KEYS: a queue list. ARGV: ids of jobs. Puts back, at the queue's front, those that are still only taken: in the
# intermediate list and not begun.
PUT_BACK = """
local count = 0
for _, id in ipairs(ARGV) do
    if redis.call('HGET', 'rq:job:' .. id, 'status') == 'queued'
        and redis.call('LREM', KEYS[1] .. ':intermediate', 1, id) == 1 then
        redis.call('LPUSH', KEYS[1], id)
        count = count + 1
    end
end
return count
"""

# KEYS: job, queue, rq's canceled registry, cancel flag, counts of ends, queue of webhooks.
# ARGV: id, ttl, now in s, now as rq writes it, the count to raise, id of a webhook's job or '', then fields and values
# of that job's hash.
# A job that still waits is canceled here and now. One that a worker holds gets a flag, which the worker heeds between
# steps and before it commits. Answers 'canceled', 'canceling', 'ended', or false if there is no such job.
CANCEL = """
local job, queue, registry, flag, ends, webhooks = unpack(KEYS)
local id, ttl, now, ended_at, counted, delivery = unpack(ARGV)
local status = redis.call('HGET', job, 'status')
if not status then return false end
if status == 'queued' and redis.call('LREM', queue, 1, id) == 1 then
    redis.call('HSET', job, 'status', 'canceled', 'ended_at', ended_at)
    redis.call('EXPIRE', job, ttl)
    redis.call('ZADD', registry, now + ttl, id)
    redis.call('HINCRBY', ends, counted, 1)
    if delivery ~= '' then
        redis.call('HSET', 'rq:job:' .. delivery, unpack(ARGV, 7))
        redis.call('SADD', 'rq:queues', webhooks)
        redis.call('RPUSH', webhooks, delivery)
    end
    return 'canceled'
end
if status == 'queued' or status == 'started' then
    redis.call('SET', flag, '1', 'EX', ttl)
    return 'canceling'
end
return 'ended'
"""

# KEYS: job, results, then the sorted sets that name it. ARGV: id, then keys of its bytes.
# Forgets an ended job and its bytes. Answers 1, 0 if it has not ended, or false if there is no such job.
PURGE = """
local status = redis.call('HGET', KEYS[1], 'status')
if not status then return false end
if status == 'queued' or status == 'started' then return 0 end
redis.call('DEL', KEYS[1], KEYS[2], unpack(ARGV, 2))
for place = 3, #KEYS do redis.call('ZREM', KEYS[place], ARGV[1]) end
return 1
"""
