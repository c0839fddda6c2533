-- What is judged before one more prediction is made, and what it is counted as.
--
-- OUTSTANDING .. owner  sorted set of the predictions that it claimed, by the time of the claim in s
-- USED .. owner         hash of what it used in the 24 hours from `since`: `images`, `predictions`
--
-- A claim is taken before pictures are read, or with the prediction itself where there are none. Its arguments, from
-- `jobs.admission`: id, owner or '', digest of the request, token of this try, queue limit, images, of them counted before,
-- since when ('' if there was no claim before), bytes needed, and the bounds: outstanding, images a day, bytes, or ''.
--! kept

local CLAIM_S, DAY_S = 60, 24 * 3600

-- Refused when memory is full, before anything is done; else it does nothing.
local function require_memory() redis.call('SETRANGE', ROOM, 0, '') end

local function read_claim(args)
    local claim = {id = args[1], owner = args[2], digest = args[3], token = args[4], since = args[8], now = redis_s()}
    claim.max_queue, claim.images, claim.counted = tonumber(args[5]), tonumber(args[6]), tonumber(args[7])
    claim.needed = tonumber(args[9])
    claim.outstanding, claim.daily, claim.kept_bytes = tonumber(args[10]), tonumber(args[11]), tonumber(args[12])
    return claim
end

-- How many of the owner's predictions have not ended, and the sum of their ages; the others are struck off.
local function unfinished(owner, now)
    local places = OUTSTANDING .. owner
    local claimed, count, ages = redis.call('ZRANGE', places, 0, -1, 'WITHSCORES'), 0, 0
    for place = 1, #claimed, 2 do
        local age, status = now - tonumber(claimed[place + 1]), redis.call('HGET', JOB .. claimed[place], 'status')
        if ENDED[status] or (not status and age >= CLAIM_S) then
            redis.call('ZREM', places, claimed[place])
        else
            count, ages = count + 1, ages + age
        end
    end
    return count, ages
end

-- nil, or the answer to a claim that is not granted.
local function refusal(claim, job, queue, idempotency)
    local owner = claim.owner
    if owner ~= '' and redis.call('HEXISTS', API_KEYS, owner) == 0 then return {'revoked'} end
    if idempotency ~= job then
        local earlier = redis.call('HMGET', idempotency, 'id', 'digest', 'claim')
        if earlier[1] then return {'exists', earlier[1], earlier[2]} end
        if earlier[3] and earlier[3] ~= claim.token then return {'claimed', earlier[2]} end
    end
    if redis.call('EXISTS', job) == 1 then return {'exists', claim.id, ''} end
    if claim.outstanding and not redis.call('ZSCORE', OUTSTANDING .. owner, claim.id)
        and redis.call('ZCARD', OUTSTANDING .. owner) >= claim.outstanding then
        local count, ages = unfinished(owner, claim.now)
        if count >= claim.outstanding then return {'outstanding', count, tostring(ages)} end
    end
    if claim.daily then
        local used = redis.call('HMGET', USED .. owner, 'since', 'images')
        if used[1] ~= claim.since then claim.counted = 0 end
        local left = claim.daily - tonumber(used[2] or 0)
        if claim.images - claim.counted > left then
            return {'quota', left, used[1] and redis.call('TTL', USED .. owner) or DAY_S}
        end
    end
    if claim.kept_bytes then
        if kept_sums(owner) + claim.needed > claim.kept_bytes then strike_kept(owner) end
        local bytes = kept_sums(owner)
        local over = bytes + claim.needed - claim.kept_bytes
        if over > 0 then return {'kept', bytes, room_in_s(owner, '', over, 1)} end
    end
    if redis.call('LLEN', queue) >= claim.max_queue then return {'full'} end
end

-- Counts a claim that is granted; answers since when its day is.
local function take(claim)
    local owner = claim.owner
    if owner == '' then return '' end
    redis.call('ZADD', OUTSTANDING .. owner, claim.now, claim.id)
    redis.call('EXPIRE', OUTSTANDING .. owner, FORGET_S)
    local used = USED .. owner
    local since = redis.call('HGET', used, 'since')
    if not since then
        since = string.format('%d', claim.now)
        redis.call('HSET', used, 'since', since)
        redis.call('EXPIRE', used, DAY_S)
    end
    redis.call('HINCRBY', used, 'images', claim.images - claim.counted)
    if since ~= claim.since then redis.call('HINCRBY', used, 'predictions', 1) end
    return since
end
