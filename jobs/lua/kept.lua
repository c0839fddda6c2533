-- What is kept of an owner, an API key: of predictions the inputs and the results, and uploads.
--
-- KEPT .. owner             sorted set of the items, by when they expire in s; '+inf' while a prediction has not ended
-- KEPT .. owner .. ':sizes' hash of the bytes of each item, and of their sums: `bytes`, `upload_bytes`, `uploads`
--
-- Items are `inputs:id`, `results:id` and `upload:id`. What has expired is struck off when somebody looks. Nobody reports
-- a failure or a cancel: the jobs themselves are asked, so that a worker that dies leaves no count behind.

local FORGET_S = 7 * 24 * 3600
local LOOKED_AT = 5000
local ENDED = {finished = true, failed = true, canceled = true, stopped = true}

local function redis_s() return tonumber(redis.call('TIME')[1]) end

-- An item has so many bytes from now on, 0 if it is kept no more. What is removed goes first: with full memory Redis
-- refuses to raise a sum, but not in a script that has removed something.
local function keep(owner, item, bytes, expires)
    local items, sizes = KEPT .. owner, KEPT .. owner .. ':sizes'
    local before = tonumber(redis.call('HGET', sizes, item) or 0)
    if bytes > 0 then
        redis.call('ZADD', items, expires, item)
        redis.call('HSET', sizes, item, bytes)
    else
        if redis.call('ZREM', items, item) == 0 then return end
        redis.call('HDEL', sizes, item)
    end
    redis.call('HINCRBY', sizes, 'bytes', bytes - before)
    if string.sub(item, 1, 7) == 'upload:' then
        redis.call('HINCRBY', sizes, 'upload_bytes', bytes - before)
        redis.call('HINCRBY', sizes, 'uploads', (bytes > 0 and 1 or 0) - (before > 0 and 1 or 0))
    end
    local ttl = FORGET_S
    if expires and expires ~= '+inf' then ttl = math.max(ttl, math.ceil(expires - redis_s()) + 1) end
    redis.call('EXPIRE', items, ttl)
    redis.call('EXPIRE', sizes, ttl)
end

local function strike_kept(owner)
    for _, item in ipairs(redis.call('ZRANGEBYSCORE', KEPT .. owner, '-inf', redis_s())) do keep(owner, item, 0) end
    for _, item in ipairs(redis.call('ZRANGEBYSCORE', KEPT .. owner, '+inf', '+inf')) do
        local status = redis.call('HGET', JOB .. string.sub(item, #'results:' + 1), 'status')
        if not status or ENDED[status] then keep(owner, item, 0) end
    end
end

-- The bytes that are kept, those of uploads, and how many these are.
local function kept_sums(owner)
    local sums = redis.call('HMGET', KEPT .. owner .. ':sizes', 'bytes', 'upload_bytes', 'uploads')
    return tonumber(sums[1] or 0), tonumber(sums[2] or 0), tonumber(sums[3] or 0)
end

-- In how many seconds so many bytes, and so many items, of those whose names begin so will have expired.
local function room_in_s(owner, beginning, bytes, count)
    local now, found = redis_s(), redis.call('ZRANGE', KEPT .. owner, 0, LOOKED_AT - 1, 'WITHSCORES')
    local wait = 1
    for place = 1, #found, 2 do
        local item, expires = found[place], tonumber(found[place + 1])
        if not expires or expires == math.huge then break end
        if string.sub(item, 1, #beginning) == beginning then
            wait = math.max(wait, math.ceil(expires - now))
            bytes, count = bytes - tonumber(redis.call('HGET', KEPT .. owner .. ':sizes', item) or 0), count - 1
            if bytes <= 0 and count <= 0 then break end
        end
    end
    return wait
end
