-- Notes what is told of users, and returns who is told something new.
-- KEYS[1]: hash user -> status as it was told last. ARGV: user, status ("offline" is not kept), user, status, ...
local new = {}
for at = 1, #ARGV, 2 do
  local user, status = ARGV[at], ARGV[at + 1]
  local told = redis.call('HGET', KEYS[1], user) or 'offline'
  if told ~= status then
    if status == 'offline' then
      redis.call('HDEL', KEYS[1], user)
    else
      redis.call('HSET', KEYS[1], user, status)
    end
    new[#new + 1] = user
  end
end
return new
