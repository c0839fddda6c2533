-- KEYS: rq's set of queues, then queue lists, best first.
-- ARGV: worker, a name for the executions, now as rq writes it, now in s, ttl of a heartbeat, since when a job is
-- overdue (as rq writes it), how many queues there were when the lists were chosen among them, then for each list its
-- rank (those of one rank stand together) and how many images may be taken.
-- Takes from the first queue that has jobs, or, if some of the same rank are overdue, from the one that has waited
-- longest, and begins what it takes as rq would: with an execution that must be kept alive. It takes no more jobs than
-- an equal part of all that wait or run there, among the workers of the queue that are free or busy with it: else one
-- might hold everything while the others have nothing. Answers the list's place among them, then id, hash and cancel
-- flag of each job; or 'stale', if there are other queues by now.

local worker, execution, now, seconds, ttl, overdue, known = unpack(ARGV)
if redis.call('SCARD', KEYS[1]) ~= tonumber(known) then return 'stale' end
if #KEYS == 1 then return false end
local left = redis.call('EXISTS', unpack(KEYS, 2))
if left == 0 then return false end
local chosen, chosen_rank, chosen_since
for place = 1, #KEYS - 1 do
    local rank = ARGV[6 + 2 * place]
    if left == 0 or (chosen and rank ~= chosen_rank) then break end
    local head = redis.call('LINDEX', KEYS[place + 1], 0)
    if head then
        left = left - 1
        local since = redis.call('HGET', JOB .. head, 'enqueued_at') or ''
        if not chosen or (since < overdue and since < chosen_since) then
            chosen, chosen_rank, chosen_since = place, rank, since
        end
    end
end
local queue, room, begun = KEYS[chosen + 1], tonumber(ARGV[7 + 2 * chosen]), {chosen}
local me, name = WORKER .. worker, string.sub(queue, #QUEUE + 1)
local registry, running = STARTED .. name, me .. WORKER_EXECUTIONS
local able = 1
for _, other in ipairs(redis.call('SMEMBERS', WORKERS .. name)) do
    if other ~= me then
        local free = redis.call('EXISTS', other .. WORKER_EXECUTIONS) == 0
        if free or redis.call('HGET', other, 'batch_queue') == name then able = able + 1 end
    end
end
local share = math.ceil((redis.call('LLEN', queue) + redis.call('ZCARD', registry)) / able)
local taken, registered, owned = 0, {}, {}
for _, id in ipairs(redis.call('LRANGE', queue, 0, math.min(room, share) - 1)) do
    if room <= 0 then break end
    taken = taken + 1
    local job = JOB .. id
    local fields = redis.call('HGETALL', job)
    if #fields > 0 then
        local own = id .. ':' .. execution
        redis.call('HSET', EXECUTION .. own, 'id', execution, 'job_id', id, 'created_at', seconds,
            'last_heartbeat', seconds, 'worker_name', worker)
        redis.call('EXPIRE', EXECUTION .. own, ttl)
        redis.call('ZADD', EXECUTIONS .. id, seconds + ttl + 60, execution)
        redis.call('EXPIRE', EXECUTIONS .. id, ttl + 60)
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
        begun[#begun + 1] = redis.call('EXISTS', CANCEL .. id)
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
