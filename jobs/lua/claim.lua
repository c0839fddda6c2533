-- KEYS: job, queue, idempotency or the job again. ARGV: a claim.
-- Claims a prediction before its pictures are read: the name of the request for this try alone, a place, images.
-- Answers {'granted', since when the day is that it counts to}, or why not: {'full'}, {'revoked'} for a key that is none
-- any more, {'exists', id, digest} for a job of this id or a request of this name, {'claimed', digest} while another try
-- at the name is on its way, {'outstanding', how many, sum of their ages}, {'quota', images left, s until there are all},
-- {'kept', bytes, s until enough has expired}.
--! admission

require_memory()
local job, queue, idempotency = unpack(KEYS)
local claim = read_claim(ARGV)
local refused = refusal(claim, job, queue, idempotency)
if refused then return refused end
if idempotency ~= job then
    redis.call('HSET', idempotency, 'claim', claim.token, 'digest', claim.digest)
    redis.call('EXPIRE', idempotency, CLAIM_S)
end
return {'granted', take(claim)}
