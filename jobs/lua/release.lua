-- KEYS: job, idempotency or the job again. ARGV: id, owner, token, images, since when the day is that they were counted to, '1' if
-- the job of this id may be this claim's own.
-- Takes a claim back, unless its prediction was made after all.
--! kept

local job, idempotency = unpack(KEYS)
local id, owner, token, images, since, own = unpack(ARGV)
if own == '1' and redis.call('EXISTS', job) == 1 then return 0 end
if idempotency ~= job and redis.call('HGET', idempotency, 'claim') == token then redis.call('DEL', idempotency) end
if owner ~= '' then
    local had = redis.call('ZREM', OUTSTANDING .. owner, id)
    if redis.call('HGET', USED .. owner, 'since') == since then
        redis.call('HINCRBY', USED .. owner, 'images', -tonumber(images))
        redis.call('HINCRBY', USED .. owner, 'predictions', -1)
    end
end
return 1
