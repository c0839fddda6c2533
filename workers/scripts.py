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
if redis.call('LLEN', doorbell) == 0 then redis.call('LPUSH', doorbell, '') end
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

# KEYS: queue lists, best first.
# ARGV: worker, a name for the executions, now as rq writes it, now in s, ttl of a heartbeat, since when a job is
# overdue (as rq writes it), how many queues there were when KEYS were chosen among them, then for each queue its rank
# (those of one rank stand together) and how many images may be taken.
# Takes from the first queue that has jobs, or, if some of the same rank are overdue, from the one that has waited
# longest, and begins what it takes as rq would: with an execution that must be kept alive. It takes no more jobs than
# an equal part of all that wait or run there, among the workers of the queue that are free or busy with it: else one
# might hold everything while the others have nothing. Answers the queue's place in KEYS, then id, hash and cancel
# flag of each job; or 'stale', if there are other queues by now.
BEGIN = """
local worker, execution, now, seconds, ttl, overdue, known = unpack(ARGV)
if redis.call('SCARD', 'rq:queues') ~= tonumber(known) then return 'stale' end
if #KEYS == 0 then return false end
local left = redis.call('EXISTS', unpack(KEYS))
if left == 0 then return false end
local chosen, chosen_rank, chosen_since
for place, queue in ipairs(KEYS) do
    local rank = ARGV[6 + 2 * place]
    if left == 0 or (chosen and rank ~= chosen_rank) then break end
    local head = redis.call('LINDEX', queue, 0)
    if head then
        left = left - 1
        local since = redis.call('HGET', 'rq:job:' .. head, 'enqueued_at') or ''
        if not chosen or (since < overdue and since < chosen_since) then
            chosen, chosen_rank, chosen_since = place, rank, since
        end
    end
end
local queue, room, begun = KEYS[chosen], tonumber(ARGV[7 + 2 * chosen]), {chosen}
local me, name = 'rq:worker:' .. worker, string.sub(queue, 10)
local registry, running = 'rq:wip:' .. name, me .. ':executions'
local able = 1
for _, other in ipairs(redis.call('SMEMBERS', 'rq:workers:' .. name)) do
    if other ~= me then
        local free = redis.call('EXISTS', other .. ':executions') == 0
        if free or redis.call('HGET', other, 'batch_queue') == name then able = able + 1 end
    end
end
local share = math.ceil((redis.call('LLEN', queue) + redis.call('ZCARD', registry)) / able)
local taken, registered, owned = 0, {}, {}
for _, id in ipairs(redis.call('LRANGE', queue, 0, math.min(room, share) - 1)) do
    if room <= 0 then break end
    taken = taken + 1
    local job = 'rq:job:' .. id
    local fields = redis.call('HGETALL', job)
    if #fields > 0 then
        local own = id .. ':' .. execution
        redis.call('HSET', 'rq:execution:' .. own, 'id', execution, 'job_id', id, 'created_at', seconds,
            'last_heartbeat', seconds, 'worker_name', worker)
        redis.call('EXPIRE', 'rq:execution:' .. own, ttl)
        redis.call('ZADD', 'rq:executions:' .. id, seconds + ttl + 60, execution)
        redis.call('EXPIRE', 'rq:executions:' .. id, ttl + 60)
        registered[#registered + 1] = seconds + ttl
        registered[#registered + 1] = own
        owned[#owned + 1] = own
        local set = {'status', 'started', 'started_at', now, 'last_heartbeat', now, 'worker_name', worker}
        redis.call('HSET', job, unpack(set))
        redis.call('PERSIST', job)
        local images = 1
        for place = 1, #fields, 2 do
            if fields[place] == 'images' then images = tonumber(fields[place + 1]) or 1 end
        end
        room = room - images
        for _, part in ipairs(set) do fields[#fields + 1] = part end
        begun[#begun + 1] = id
        begun[#begun + 1] = fields
        begun[#begun + 1] = redis.call('EXISTS', 'easel:cancel:' .. id)
    end
end
redis.call('LTRIM', queue, taken, -1)
if #owned > 0 then
    redis.call('ZADD', registry, unpack(registered))
    redis.call('SADD', running, unpack(owned))
    redis.call('EXPIRE', running, ttl + 60)
end
redis.call('HSET', me, 'state', 'busy', 'batch_queue', name)
return begun
"""

# KEYS: rq's registries of started and of finished jobs, the worker, the set of its executions.
# ARGV: name of the worker, name of the executions, now as rq writes it, now in s, then for each job its id, ttl, result
# (as rq writes it), start in s, count of images, and the images.
# Keeps the images and ends the jobs as rq would end jobs that have succeeded and on which no other job depends.
SUCCEED = """
local started, finished, worker, running = unpack(KEYS)
local name, execution, now, seconds = unpack(ARGV)
local at, jobs, working_time = 5, 0, 0
local gone, ended, kept = {}, {}, {}
while at < #ARGV do
    local id, ttl, result, began, images = ARGV[at], ARGV[at + 1], ARGV[at + 2], ARGV[at + 3], tonumber(ARGV[at + 4])
    local job, results, own = 'rq:job:' .. id, 'rq:results:' .. id, id .. ':' .. execution
    for index = 0, images - 1 do
        redis.call('SET', 'easel:image:' .. id .. ':' .. index, ARGV[at + 5 + index], 'EX', ttl)
    end
    redis.call('HSET', job, 'status', 'finished', 'ended_at', now)
    redis.call('EXPIRE', job, ttl)
    redis.call('XADD', results, 'MAXLEN', '~', 10, '*', 'type', 1, 'worker_name', name, 'return_value', result,
        'execution_id', execution, 'execution_started_at', began, 'execution_ended_at', seconds)
    redis.call('EXPIRE', results, ttl)
    gone[#gone + 1] = 'rq:execution:' .. own
    gone[#gone + 1] = 'rq:executions:' .. id
    ended[#ended + 1] = own
    kept[#kept + 1] = seconds + ttl
    kept[#kept + 1] = id
    jobs, working_time, at = jobs + 1, working_time + seconds - began, at + 5 + images
end
redis.call('ZADD', finished, unpack(kept))
redis.call('DEL', unpack(gone))
redis.call('ZREM', started, unpack(ended))
redis.call('SREM', running, unpack(ended))
redis.call('HINCRBY', worker, 'successful_job_count', jobs)
redis.call('HINCRBYFLOAT', worker, 'total_working_time', working_time)
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
