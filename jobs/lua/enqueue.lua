-- KEYS: job, queue, idempotency or the job again, rq's set of queues, doorbell, shares, then the histories that it is part of.
-- ARGV: a claim (12 arguments), ttl, now in ms, bytes that the results are expected to have, now as rq writes it, how many
-- fields and values of the job hash follow, those, then id and pixels of each picture.
-- Histories keep twice the ttl, since a prediction is kept for its ttl after it ended, and may have waited before.
-- Answers {'created'}, or why not, as `claim.lua` does.
--! admission
--! fairness

require_memory()
local job, queue, idempotency, queues, doorbell, shares = unpack(KEYS)
local claim = read_claim(ARGV)
local ttl, now, expected, created_at, fields = unpack(ARGV, 13, 17)
local pictures = 18 + fields
local refused = refusal(claim, job, queue, idempotency)
if refused then return refused end
take(claim)
local inputs = 0
for place = pictures, #ARGV, 2 do
    redis.call('SET', PICTURE .. ARGV[place], ARGV[place + 1], 'EX', ttl)
    inputs = inputs + #ARGV[place + 1]
end
redis.call('HSET', job, unpack(ARGV, 18, pictures - 1))
redis.call('SADD', queues, queue)
redis.call('RPUSH', queue, claim.id)
wait_in_lane(string.sub(queue, #QUEUE + 1), shares, claim.owner, created_at, claim.id)
if redis.call('LLEN', doorbell) == 0 then redis.call('LPUSH', doorbell, '') end
if claim.owner ~= '' then
    keep(claim.owner, 'inputs:' .. claim.id, inputs, claim.now + ttl)
    keep(claim.owner, 'results:' .. claim.id, redis.call('HSTRLEN', job, 'data') + expected, '+inf')
end
for place = 7, #KEYS do
    redis.call('ZREMRANGEBYSCORE', KEYS[place], '-inf', now - 2 * ttl * 1000)
    redis.call('ZADD', KEYS[place], now, claim.id)
    redis.call('EXPIRE', KEYS[place], 2 * ttl)
end
if idempotency ~= job then
    redis.call('HSET', idempotency, 'id', claim.id, 'digest', claim.digest)
    redis.call('EXPIRE', idempotency, ttl)
end
return {'created'}
