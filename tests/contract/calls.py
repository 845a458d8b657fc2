"""Every call that the contract names (sections 2 to 10, 12), written down by hand. Parameters have no names here."""

_LISTED = """
POST /api/auth/register
POST /api/auth/login
POST /api/auth/refresh
POST /api/auth/logout
POST /api/auth/logout-all
GET /api/auth/sessions
DELETE /api/auth/sessions/{}
POST /api/auth/password
POST /api/auth/forgot
POST /api/auth/reset
POST /api/auth/email

GET /api/users/profile
PATCH /api/users/profile
GET /api/users/online
GET /api/users
GET /api/users/{}
POST /api/users
PATCH /api/users/{}
DELETE /api/users/{}
POST /api/users/{}/password-reset

GET /api/workspaces
POST /api/workspaces
GET /api/workspaces/{}
PATCH /api/workspaces/{}
DELETE /api/workspaces/{}
GET /api/workspaces/{}/members
POST /api/workspaces/{}/members
PATCH /api/workspaces/{}/members/{}
DELETE /api/workspaces/{}/members/{}
GET /api/overview

POST /api/screens/pair
GET /api/screens
GET /api/screens/{}
PATCH /api/screens/{}
DELETE /api/screens/{}
PUT /api/screens/{}/playlist
POST /api/screens/{}/commands
GET /api/screens/{}/commands
POST /api/screens/assign
POST /api/screens/commands
GET /api/screens/commands/{}
GET /api/screens/{}/history
GET /api/screens/{}/preview

POST /api/display/pairing
POST /api/display/pairing/{}/claim
GET /api/display/manifest
POST /api/display/heartbeat
POST /api/display/commands/{}/accept
POST /api/display/commands/{}/result
PUT /api/display/commands/{}/screenshot

POST /api/playlists
GET /api/playlists
GET /api/playlists/{}
PATCH /api/playlists/{}
DELETE /api/playlists/{}
PUT /api/playlists/{}/items
POST /api/playlists/{}/duplicate

POST /api/media
GET /api/media
GET /api/media/{}
PATCH /api/media/{}
DELETE /api/media/{}
POST /api/media/upload-ticket
POST /api/media/upload-ticket/{}/complete

POST /api/emergencies
GET /api/emergencies
GET /api/emergencies/{}
DELETE /api/emergencies/{}

GET /api/rooms
POST /api/rooms
GET /api/rooms/{}
PATCH /api/rooms/{}
DELETE /api/rooms/{}
POST /api/rooms/{}/join
POST /api/rooms/{}/leave
GET /api/rooms/{}/members
PUT /api/rooms/{}/members/{}
DELETE /api/rooms/{}/members/{}
POST /api/rooms/{}/read
GET /api/messages
POST /api/messages
GET /api/messages/{}
PATCH /api/messages/{}
DELETE /api/messages/{}
PUT /api/messages/{}/reactions/{}
DELETE /api/messages/{}/reactions/{}
PUT /api/messages/{}/pin
DELETE /api/messages/{}/pin
GET /api/messages/search
POST /api/files/upload
GET /api/files/{}
DELETE /api/files/{}

GET /healthz
GET /readyz
GET /metrics
GET /api/openapi.json
"""
CALLS = {tuple(line.split()) for line in _LISTED.split("\n") if line}
