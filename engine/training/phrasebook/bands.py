"""What people type for bands with guitars, songs and jazz. See `engine.training.phrasebook` for the columns."""

from __future__ import annotations

from engine.training.phrasebook.table import Said

BANDS: dict[str, Said] = {
    "rock": Said(
        names="""hard rock; classic rock; punk; punk rock; grunge; heavy metal; metal; garage rock; stoner rock;
            alternative rock; blues rock; glam rock; rock n roll; rock'n'roll; rock and roll; arena rock; pop
            punk; hardcore punk; nu metal; southern rock; surf rock; post-hardcore; thrash; hair metal; alt rock;
            rock music; rok; britpop, loud; emo; psychobilly; boogie rock; sleaze rock; rockmusik; musique rock;
            rock duro; rock en español; rock fort; guitar rock; heavy music; doom""",
        heard="""distorted electric guitars; power chords; a loud drum kit; crashing cymbals; a guitar solo; a heavy
            riff; feedback; overdriven amps; a driving bass with a pick; palm-muted guitars; pounding drums; a
            wall of guitars; a fuzz pedal; double kick drums; a bluesy guitar riff; a crunchy rhythm guitar;
            screaming lead guitar; two electric guitars, bass and drums; a big snare and loud guitars; tube amps;
            drop-tuned guitars; a whammy bar; guitars through a stack of speakers; eighth-note bass and loud
            guitars; a chugging guitar; a howling guitar solo; a thunderous drummer; raw amp noise; open chords
            with overdrive; a growling bass guitar and loud drums; a simple pounding beat with guitars; squealing
            feedback; guitars tuned down low; a shouting gang chorus over guitars""",
        scenes="""a stadium concert; a mosh pit; a garage rehearsal; a biker bar; a monster truck show; a wrestling
            entrance; a road trip in a muscle car; a hockey arena; teenage rebellion; a bar fight; a demolition
            derby; a festival main stage; an action film's opening; Seattle in 1991; a truck commercial; a skate
            park; an energy drink ad; a high school band; smashing guitars on stage; London in 1977; the open
            highway on a motorcycle; a gym session with guitars; a football team's entrance; a beer-soaked club; a
            battle of the bands; an open-air festival; a teenage band's first gig; a bike chase in the desert; a
            bull-riding show; a boxing hall; a rebel without a cause; a demolition; a pick-up truck commercial; an
            ice hockey goal; a strip of highway and a convertible; a tour bus; a basement punk show""",
        whole="""loud and angry; guitars that scream; turn it up; energetic band with distorted guitar; raw energy,
            drums and guitars; heavy and fast with guitars; an anthem for a stadium; rebellious, dirty, loud; make
            my speakers bleed; aggressive guitar music; a riff I can bang my head to; just guitar, bass and drums,
            very loud; not soft, not poppy, heavy guitars; music with attitude and distortion; laute verzerrte
            Gitarren; des guitares saturées; guitarras distorsionadas y batería fuerte; rebels with guitars;
            kick-ass; wild guitar band; play it loud; more distortion please; kick down the door; two guitars,
            bass, drums and anger; I want to scream along; fast, simple, loud; guitars like chainsaws; a song for
            breaking things; gritty guitar band; energetic riff music for a fight; drive fast with the windows
            down and loud guitars; the louder the better; stadium-sized guitars; old school guitar heroes; sweaty
            and wild; big riffs and a heavy beat""",
        hints="""riff; amp; distortion; drums; leather jacket; tattoos; whiskey; motorbike; mosh; stage dive; loud;
            rebel; thunder; power; rock star; studs; skulls; beer; guitar hero; anthem; fuzz; shred; crash cymbal;
            metal horns; denim; anarchy; a broken guitar; teen spirit; speed and guitars; highway; garage; hell;
            fire; a sports arena; a bull rider; tough; monster riff; drop D; angry; furious; guitars at full
            volume; band in a garage; heavy riffing; big chorus with loud guitars; noisy guitars; bluesy rock
            riff; fast punk drums; shouting crowd and guitars; stadium clap and stomp with guitar; screaming
            guitars; action scene with guitars; hard and heavy; rock ballad with big guitars; stoner riff; a
            guitar duel; four on stage with amps; punk in a squat; dirty blues with a loud band""",
        abroad="""guitare électrique; E-Gitarre; guitarra eléctrica; chitarre distorte; ruidoso; laut; Krach mit
            Gitarren; groupe de rock énergique; banda de rock; musica pesante; ostra gitara; gros riff; batteria
            potente; Vollgas; concert dans un stade; rebelión; schwermetall""",
    ),
    "indie pop": Said(
        names="""indie; indie rock, light; dream pop; synth-pop; jangle pop; bedroom pop; power pop; pop; pop song;
            twee pop; indietronica; chamber pop; electropop, guitar based; shoegaze, gentle; britpop; sunshine
            pop; alt pop; college rock; soft rock; pop rock; folk pop, upbeat; bubblegum; indiepop; indy pop;
            indie-pop; pop music; c86; guitar pop; radio pop; happy pop; scandi pop; j-pop; teen pop; pop alegre;
            popmusik; pop indé; musique pop; corporate pop; ukulele pop; summer hit""",
        heard="""jangly guitars; clean electric guitars; a catchy synth hook; handclaps; a singable melody;
            glockenspiel; a shimmering chorus pedal; a bouncy bass line with clean guitars; bright strummed
            guitars; a big happy chorus; reverb-drenched guitars; tambourine and twelve-string; ukulele and claps;
            soft synths with guitars; woo-oh melodies; a toy piano; a four-chord hook; sparkling arpeggiated
            guitar; light drums and a melodic bass; whistling; dreamy guitars and synth; a sing-along tune; stomps
            and claps; cheerful keyboards; chiming guitars; a bubbly synth and guitar; a cheerful bass line;
            strums and stomps; a sweet little keyboard tune; choppy clean guitar and handclaps; sunny harmonies on
            oohs; light drums with tambourine; a ringing twelve-string; a bright hook on the glockenspiel""",
        scenes="""a summer advert; a coming-of-age movie; a phone commercial; a bike ride in the sun; a first kiss; a
            road trip with friends; a vlog; a picnic; a startup's promo video; a teen series; a high school
            romance; a cheerful unboxing; a romantic comedy; a festival in the afternoon; a holiday slideshow; a
            radio station at noon; a college dorm; a graduation video; a photo booth; a sunny day at the beach
            with friends; a lemonade stand; a fashion lookbook; a smiling family in a commercial; cherry blossoms;
            a travel app commercial; moving into a first flat; a crush at school; a farmers market; a bike advert;
            a puppy video; a music festival by the lake; a sunny Saturday; a quirky comedy; a school dance;
            friends laughing in a van; a yoghurt commercial; a happy montage; a holiday romance; a spring morning""",
        whole="""happy and catchy; a cheerful song with guitars; something bright for an ad; light and sunny band; a
            tune that sticks in your head; young, fresh and hopeful; sweet and a bit melancholic, with clean
            guitars; not heavy, just bright guitars; upbeat and innocent; feel-good music; bittersweet pop tune
            for the end of summer; an earworm; sparkly and optimistic; uplifting corporate video music; dreamy pop
            with soft guitars; positive mood, guitar and claps; fröhlicher Pop; une chanson pop ensoleillée; una
            canción alegre y pegadiza; music that makes me smile; radio friendly; sweet guitars and a chorus to
            remember; a light-hearted tune for an explainer video; young love; jangling and carefree; something
            radio would play in summer; sugary but not stupid; cute; guitars with a smile; nice melody, bright
            mood; a hopeful anthem for teenagers; wistful but sunny; neat little song with keyboards; easy,
            melodic and modern; tune for the end of a feel-good movie; hum along; fresh band from Stockholm""",
        hints="""sunshine; summer; smile; claps; ukulele; polaroids; first love; teenagers; daisies; bicycle; lollipop;
            carefree; sunny; jangle; hooky; sweet; fresh; young; optimistic; innocence; freckles; road trip;
            convertible with friends; thrift store; tote bag; a rom-com; ice cream; confetti; balloons; skipping;
            a catchy tune; melodic; sparkle; bright; hopeful; breezy guitars; advert; jingle; an app commercial;
            unboxing; positive; motivational; a wholesome video; kids laughing; school's out; guitars like bells;
            chorus everybody sings; hipster band; soft drums and clean guitar; end-of-summer feeling; first day of
            spring; dreamy guitars with reverb; light-hearted; a song about growing up; prom; holiday vlog;
            charming; shy singer with a band; synths and guitars, happy; a lovely melody with strumming; chart
            hit; hit single; radio; happy ending; best friends""",
        abroad="""fröhlich; sonnig; joyeux; été; verano; alegre; chanson d'été; canción pegadiza; Sommerlied; eingängig;
            allegro e solare; radosna piosenka; musique de pub joyeuse; Werbemusik; música para anuncio;
            adolescents amoureux; guitares claires; gute Laune; buen rollo; piosenka na lato""",
    ),
    "prog rock": Said(
        names="""progressive rock; prog; prog-rock; prog metal; progressive metal; art rock; math rock; symphonic rock;
            space rock; jazz rock fusion; krautrock; neo-prog; odd-meter rock; zeuhl; djent; technical rock;
            fusion; italian prog; psychedelic rock; experimental rock; avant rock; rock opera; progrock;
            progresive rock; post-rock with odd meters; 70s prog; complex rock; intricate rock; rock sinfónico;
            rock progressif; progressiver Rock; brutal prog; mathcore; jazz metal; classical rock; rock suite;
            concept rock; technical metal""",
        heard="""odd time signatures; a mellotron; a hammond organ and electric guitar; moog solos; a riff in 7/8; a
            groove in 5/4; shifting meters; guitar and keyboard in unison; long instrumental passages; polymeters;
            complex drum fills; a rickenbacker bass; tapping guitar in odd meters; a rock band in 11/8; sudden
            tempo changes; flute and distorted guitar; an organ solo over an uneven riff; counterpoint between
            guitar and synth; syncopated riffs in 9/8; a minimoog lead; virtuoso drumming; rhythms that skip a
            beat; unpredictable rock riffs; keyboard fanfares with drums; a riff that changes length each time;
            organ runs and galloping guitar; a drummer who shifts the accents; a guitar figure in ten; stacked
            keyboards and guitar harmonies; contrapuntal electric guitars; a bass guitar playing melodies in odd
            time; a synth fanfare over a rock beat in seven; staccato guitar in five""",
        scenes="""a concept album; a gatefold sleeve; a science fiction rock opera; a fantasy epic played by a rock
            band; a band of virtuosos; a drummer with twelve toms; 1973 in England; wizards and synthesizers; a
            music school band showing off; a twenty-minute track; a laser dome show; music nerds; a planet painted
            on an album cover; a keyboard player in a cape; a drum clinic; a counting contest; an epic journey
            told by a band; a guitar workshop; a seventies double album; an arty rock festival; a maze; a
            labyrinth of riffs; a mathematician's band; a chess match with guitars; a rock musical about robots; a
            sleeve with floating islands; a rock band in a planetarium; a conservatory student's band; a drum
            magazine contest; a story in ten chapters for a rock band; 1974 with long hair and keyboards; an
            alchemist; a rock opera's overture; a guitar nerd's channel; a time machine played by a band; a
            surreal animated film with a rock band""",
        whole="""rock that never stays in four four; complicated rock with keyboards; count to seven; rock with strange
            rhythms; music for musicians, rock in odd meters; epic and technical band music; guitars and organ in
            complex rhythms; long, dramatic and intricate rock; I want five beats in the bar and a guitar riff; a
            rock band that plays like an orchestra; weird meters, virtuosic; not a simple beat, uneven bars with
            electric guitar; dramatic synths and guitars with changing time; rock in ungeraden Takten; rock avec
            des mesures impaires; rock en compases irregulares; unpredictable, cerebral, electric; riffs that
            stumble on purpose; heavy band, crooked beat; clever rock; I lose count and I like it; make the rhythm
            uneven and the guitars heavy; a rock epic with many sections; fancy guitar and keyboard duels; too
            many notes; rock for people who read scores; surprise me every few bars; nothing in four; ambitious
            and over the top band; heavy but clever; band in strange meters with an organ; cerebral guitar music
            with shifting pulse; the riff has one beat too few; a long adventurous rock piece""",
        hints="""odd meter; seven eight; five four; eleven eight; mellotron; moog; virtuosity; a suite; a concept;
            overture for rock band; capes; wizards; gatefold; time changes; complexity; maze; riff in seven;
            counting; syncopated; cerebral; epic solo; labyrinth; asymmetry; fractal; nerdy; technical; shred in
            odd time; spaceship and guitars; keyboard wizard; twelve-minute; three-part; a symphony for rock band;
            dramatic synths; uneven; crooked riff; changing bars; alternating 7 and 8; guitar and synth unison
            lines; metric modulation; stop-start riffs; intricate drumming; knotty; dense; drum solo in five; an
            ambitious rock album; arty; unpredictable; organ riff; synth solo over odd rhythm; jazz chords with
            distortion; long instrumental rock; bass solo with effects; rhythmic puzzle; rock in thirteen; prog
            epic; metal with jazz chords and odd beats; surreal album art; mad professor with guitars""",
        abroad="""krumme Takte; mesures asymétriques; compás de siete; tempi dispari; siete por ocho; cinq temps;
            fünfvierteltakt; siebenachtel; rock complexe; rock complicado; rock progressivo; konzeptalbum; album
            concept; virtuoses; nieparzyste metrum; rock épico y técnico; orgue et guitares""",
    ),
    "folk": Said(
        names="""acoustic; singer-songwriter; americana; country; bluegrass; indie folk; celtic; irish folk; scottish
            folk; english folk; folk music; campfire songs; old-time; appalachian; acoustic ballad; folk ballad;
            sea shanty; alt country; western; cowboy song; nordic folk; fingerstyle; traditional song; roots
            music; acoustic guitar music; country folk; volksmusik; volkslied; música folclórica; musique folk;
            chanson à la guitare; folklore; skiffle; lullaby; children's song on guitar; nu folk; stomp and
            holler; medieval tune; hillbilly; folk song""",
        heard="""a strummed acoustic guitar; fingerpicked guitar; banjo; fiddle; harmonica; mandolin; a steel-string
            guitar; a dulcimer; tin whistle; accordion and acoustic guitar, gentle; a simple tune in three four; a
            bodhran; an upright bass and a banjo; dobro slide; open-tuned guitar; an acoustic duo; foot stomps; a
            pennywhistle melody; a hurdy-gurdy; soft strumming; autoharp; travis picking; jaw harp; plain wooden
            instruments; a plucked steel-string; fiddle and guitar; a droning pipe; a shruti box and guitar; bones
            and spoons; a squeezebox and guitar, slow; gently picked strings; a zither; a twangy banjo roll; a
            wooden flute and harp; slide on a resonator""",
        scenes="""a campfire; a log cabin; a porch; a pub in Ireland; a walk in the forest; a farm; a long hike; a
            countryside drive; a barn dance; harvest; a hobo on a freight train; a fireside story; a cottage
            garden; a mountain village; a fishing boat; an old couple remembering; camping with friends; a lullaby
            for a child; prairie and horses; autumn leaves; a coffee house in Greenwich Village; a nature
            documentary about forests; a hobbit's village; bread baking; a hut in the mountains; a hayloft; a
            wandering minstrel; a ferry to the islands; a bonfire on the beach with one guitar; grandmother's
            kitchen; sheep on a hill; a wagon trail; a lakeside morning; picking apples; a miner's tale; a family
            road trip through the woods; a village pub on a Thursday; knitting by the stove""",
        whole="""just a guitar and a story; gentle acoustic music; simple, warm and wooden; unplugged and honest; a
            song for around the fire; rustic and earthy; quiet acoustic guitar with fiddle; no electric
            instruments, only acoustic ones; a plain old tune; homespun; country music on the porch; a tune my
            grandfather played on the fiddle; wanderer's song; acoustic and intimate, with picking;
            Lagerfeuermusik; musique acoustique avec guitare; música acústica de guitarra; like a ballad from long
            ago; soft strings and wood, outdoors; reflective guitar song; down by the river; honest songwriter
            with a guitar; an honest tune with a guitar; songs like they were sung before electricity; a man, a
            banjo and a dog; rural and gentle; tell me a tale with strings; a song from the highlands; whittling
            wood; handmade sound; soft voices and strings around the fire; plain and true; no drums, just picking;
            country air; a dance tune for fiddle; lonesome cowboy; humble and warm; barefoot in the grass with a
            guitar""",
        hints="""campfire; cabin; woods; barn; farm; mountains; river; porch; flannel; whiskey and stories; wanderlust;
            hiking; tent; a shepherd; ballad; sailor; pub; ireland; scotland; appalachia; nashville; cowboy;
            prairie; tumbleweed; hobbit; storyteller; troubadour; minstrel; homemade; wooden; rustic; organic;
            harvest moon; grandpa; pine trees; cottage; a stream; a canoe; a dirt road; pick-up truck; unplugged;
            a jig; a reel; old country; sweet home; heartland; village fair with fiddles; clogs; hand-carved
            flute; six strings; strum; three chords and the truth; songs by candle; simple life; folk tale;
            sitting on a tree stump; a rocking chair; wildflowers; protest singer; a horse ride; medieval tavern;
            lute and flute; celtic mist; travelling song; two guitars and harmony; a gentle waltz with guitar;
            quiet strumming by the lake""",
        abroad="""Lagerfeuer; feu de camp; fogata; akustische Gitarre; guitare acoustique; guitarra acústica; chitarra
            acustica; chanson folk; canto popular; irische Musik; musique irlandaise; musique celtique; ludowa;
            gitara przy ognisku; musique country; Landleben; campagne; naturaleza y guitarra; vals sencillo con
            guitarra""",
    ),
    "jazz swing": Said(
        names="""jazz; swing; bebop; be-bop; cool jazz; big band; jazz trio; piano trio; jazz ballad; gypsy jazz;
            dixieland; ragtime; new orleans jazz; straight-ahead jazz; modal jazz; vocal jazz without the voice;
            swing dance; jazz standards; jazz waltz; jazz quartet; west coast jazz; jaz; jass; smooth jazz;
            post-bop; blues jazz; stride; lindy hop music; jazz blues; swing music; bar jazz; cocktail jazz;
            swingmusik; jazzmusik; jazz manouche; música jazz; electro swing, acoustic; free jazz; charleston; the
            real book""",
        heard="""a walking bass; ride cymbal; brushes; a saxophone solo; a muted trumpet; double bass and piano; swung
            eighth notes; a tenor sax; an improvised piano solo; a big band horn section; comping piano chords; a
            clarinet over a swing beat; vibraphone with brushes; a two-five-one; a jazz guitar with a hollow body;
            bass solo; trading fours; a hi-hat on two and four with walking bass; bluesy piano with upright bass;
            stride piano; a crooner's band; a trombone with plunger; rhythm changes; alto sax at high speed; a
            strolling double bass; a breathy tenor; crisp ride cymbal; a pianist quoting standards; muted brass
            riffs; a swinging clarinet; a growling trombone; a hollow-body guitar playing chords on every beat; a
            fast sax line over changes; a brush solo; block chords""",
        scenes="""a jazz club; a smoky bar; a hotel lobby; a black and white movie; the roaring twenties; a speakeasy; a
            cocktail party; a dinner for two with a trio; a swing dance ball; Harlem in the thirties; New Orleans;
            52nd street; a Woody Allen film; a Christmas party with a big band; a Paris cellar club; a cruise ship
            band; a gentlemen's club; a private eye in the forties; a late set with three people left in the room;
            a wine bar; a jazz school jam session; a penthouse in Manhattan; a wartime dance hall; a martini; a
            penthouse party in the fifties; a private detective's office; a late bar with a tired pianist; a
            ballroom full of dancers; a ship in 1930; a gangster's restaurant; a jam session after hours; a
            Parisian basement; an art deco hotel; a record from 1959; a cocktail dress; a New Year's gala; a
            Harlem ballroom; a romantic comedy in Manhattan""",
        whole="""swinging and sophisticated; a trio with piano, bass and drums; finger snapping cool; improvisation
            over changes; it has to swing; walking bass and ride; old-time dance band from the thirties; late
            night saxophone; musicians improvising in a club; elegant bar music with a piano trio; fast and
            virtuosic saxophones; smooth sax with brushes; triplet feel, acoustic bass; Jazz mit Kontrabass und
            Besen; du jazz dans un club enfumé; jazz con contrabajo y saxofón; classy; let the sax player blow;
            hepcats; take five minutes of swing; musicians in suits playing standards; it don't mean a thing;
            sophisticated and improvised; let the horn player stretch out; hot music for dancers of the forties;
            cool and smoky late-night trio; a swinging tune with solos; up-tempo with a walking bass;
            old-fashioned dance orchestra; play it with a triplet feel; a ballad for saxophone; finger-clicking
            and relaxed; class and cigarettes; tap shoes; improvise something clever on the piano with bass and
            drums""",
        hints="""sax; scat; standards; trio; quartet; quintet; combo; improvisation; bop; club; cigars; martini;
            gangsters and flappers; tuxedo; spotlight; smoky; cool cat; hep; trenchcoat; prohibition; lounge
            singer; blue note; hotel bar; night cap; saxophone; walking; ride; crash the party 1925; speakeasy;
            manhattan; harlem; bourbon; new orleans parade; trombone; contrabass; vibraphone; piano bar; ballroom;
            foxtrot; jitterbug; tap dance; crooner; a brass section that swings; jam session; bass walks; two and
            four; changes; chord substitutions; a ballad for tenor sax; sophisticated; classy dinner; wine
            tasting; noir saxophone; black tie; velvet curtain; swinging horns; old movie; silver screen; piano,
            bass, drums; brush drums and bass; quick saxophone runs; christmas swing; waltz with brushes; gypsy
            guitars swinging; a blues in b flat; autumn in New York; a cool trumpet; late set; elegant bar""",
        abroad="""Jazzkeller; Saxophon; boîte de jazz; contrebasse; contrabajo; sassofono; trompette bouchée; caveau;
            swing de los años treinta; Tanzorchester; ballare lo swing; jazzklub; muzyka jazzowa; noche de jazz;
            trío de jazz; quartetto; Kontrabass und Klavier; orchestre de danse""",
    ),
}  # fmt: skip
