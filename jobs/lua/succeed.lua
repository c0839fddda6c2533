-- KEYS: rq's registries of started and of finished jobs, the worker, the set of its executions.
-- ARGV: name of the worker, name of the executions, now as rq writes it, now in s, then for each job its id, ttl, result
-- (as rq writes it), start in s, count of images, the images, the latents or '', and bytes that lie in the store instead.
-- Keeps images and latents, and ends the jobs as rq would end jobs that have succeeded and on which no other job depends.
--! kept

local started, finished, worker, running = unpack(KEYS)
local name, execution, now, seconds = unpack(ARGV)
local at, jobs, working_time = 5, 0, 0
local gone, ended, kept = {}, {}, {}
while at < #ARGV do
    local id, ttl, result, began, images = ARGV[at], ARGV[at + 1], ARGV[at + 2], ARGV[at + 3], tonumber(ARGV[at + 4])
    local job, results, own = JOB .. id, RESULTS .. id, id .. ':' .. execution
    local latents, stored = ARGV[at + 5 + images], ARGV[at + 6 + images]
    local bytes = #result + stored
    for index = 0, images - 1 do
        redis.call('SET', IMAGE .. id .. ':' .. index, ARGV[at + 5 + index], 'EX', ttl)
        bytes = bytes + #ARGV[at + 5 + index]
    end
    if latents ~= '' then redis.call('SET', LATENTS .. id, latents, 'EX', ttl) end
    local owner = redis.call('HGET', job, 'owner')
    if owner then
        bytes = bytes + #latents + redis.call('HSTRLEN', job, 'data')
        keep(owner, 'results:' .. id, bytes, redis_s() + ttl)
    end
    redis.call('HSET', job, 'status', 'finished', 'ended_at', now)
    redis.call('EXPIRE', job, ttl)
    redis.call('XADD', results, 'MAXLEN', '~', 10, '*', 'type', 1, 'worker_name', name, 'return_value', result,
        'execution_id', execution, 'execution_started_at', began, 'execution_ended_at', seconds)
    redis.call('EXPIRE', results, ttl)
    gone[#gone + 1] = EXECUTION .. own
    gone[#gone + 1] = EXECUTIONS .. id
    ended[#ended + 1] = own
    kept[#kept + 1] = seconds + ttl
    kept[#kept + 1] = id
    jobs, working_time, at = jobs + 1, working_time + seconds - began, at + 7 + images
end
redis.call('ZADD', finished, unpack(kept))
redis.call('DEL', unpack(gone))
redis.call('ZREM', started, unpack(ended))
redis.call('SREM', running, unpack(ended))
redis.call('HINCRBY', worker, 'successful_job_count', jobs)
redis.call('HINCRBYFLOAT', worker, 'total_working_time', working_time)
