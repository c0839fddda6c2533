-- KEYS: job, queue, shares. ARGV: id.
-- How many of the queue are likely to go before a prediction that waits there: of its owner, those before it, and of
-- each other owner as many, as if all requests had as many images. Answers false for one that does not wait.
--! fairness

local job, queue, shares = unpack(KEYS)
local name, place = string.sub(queue, #QUEUE + 1), redis.call('LPOS', queue, ARGV[1])
if not place or redis.call('ZCARD', TURNS .. name) < 2 then return place end
local known = redis.call('HMGET', job, 'owner', 'created_at')
local own = known[1] or ''

local function had(owner, least) return math.max(tonumber(least), tonumber(redis.call('HGET', shares, owner) or 0)) end

local lane = '[' .. own .. ':'
local ahead = redis.call('ZLEXCOUNT', LANES .. name, lane, '(' .. lane_member(own, known[2], ARGV[1]))
local mine, before = had(own, redis.call('ZSCORE', TURNS .. name, own) or 0), ahead
local turns = redis.call('ZRANGE', TURNS .. name, 0, -1, 'WITHSCORES')
for at = 1, #turns, 2 do
    local other = turns[at]
    if other ~= own then
        local waiting = redis.call('ZLEXCOUNT', LANES .. name, '[' .. other .. ':', '(' .. other .. ';')
        before = before + math.min(waiting, had(other, turns[at + 1]) <= mine and ahead + 1 or ahead)
    end
end
return before
